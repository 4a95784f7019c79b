//! How hosts, headers and times are written on the command line.

use std::time::Duration;

use crate::cmd::CmdError;
use crate::domain::written;

/// `HOST`, `HOST:PORT`, `[V6]:PORT`, or a bare IPv6 address.
pub(super) fn host_port(text: &str) -> Result<(String, Option<u16>), CmdError> {
    written::host_port(text).map_err(CmdError::new)
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let name = name.trim();
    if name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("proxy-authorization") {
        return Err("headers are not kept sealed: give credentials by --bearer-file, or --basic-user with \
                    --basic-password-file"
            .to_owned());
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// `500ms`, `30s`, `5m`, `1h`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    written::duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_holds_credentials_is_refused() {
        assert_eq!(header("X-Team: shop "), Ok(("X-Team".to_owned(), "shop".to_owned())));
        assert!(header("authorization: Bearer x").is_err_and(|why| why.contains("--bearer-file")));
    }
}
