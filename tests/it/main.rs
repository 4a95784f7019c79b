//! All that crosses a boundary: stories told to real processes, and rules about the source itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do: at once, and saying where")]
#![expect(clippy::print_stdout, reason = "figures that were measured are shown with the test's output")]

mod chaos;
mod containers;
mod story;
mod tidy;
mod units;
