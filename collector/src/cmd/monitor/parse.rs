//! Hosts and headers of the command line, with its own words for what is wrong.

use crate::cmd::CmdError;
use crate::domain::written::{self, BadHeader};

pub(super) use written::duration;

/// `HOST`, `HOST:PORT`, `[V6]:PORT`, or a bare IPv6 address.
pub(super) fn host_port(text: &str) -> Result<(String, Option<u16>), CmdError> {
    written::host_port(text).map_err(CmdError::new)
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    written::header(text).map_err(|bad| match bad {
        BadHeader::NoColon => "write it as 'Name: value'".to_owned(),
        BadHeader::Credentials => "headers are not kept sealed: give credentials by --bearer-file, or --basic-user \
                                   with --basic-password-file"
            .to_owned(),
    })
}
