//! Seeds that failed once, each with what it showed.
