//! Which addresses a socket may reach that a tenant named.
