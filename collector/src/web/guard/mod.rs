//! Request-time controls, one a file.

pub mod admin_404;
pub mod body_limit;
pub mod client;
pub mod cookie;
pub mod csrf;
pub mod headers;
pub mod host;
pub mod key;
pub mod quota;
pub mod rate_limit;
pub mod session;
