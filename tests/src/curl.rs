//! Asks over HTTP and HTTPS as somebody else's program does: with curl, from any place.

use crate::net::Place;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The status; 0 when there was no answer at all.
    pub status: u16,
    /// The body, or what curl said when there was none.
    pub body: String,
}

/// Asks for `url` from `place`, with these further arguments of curl.
pub fn get(place: &Place, url: &str, arguments: &[&str]) -> Got {
    let mut command = place.command("/usr/bin/curl");
    command.args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*", "--globoff"]);
    let output = command.args(["--write-out", "\n%{http_code}"]).args(arguments).arg(url).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    let status = status.trim().parse().unwrap_or(0);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Got { status, body: if status == 0 { said } else { body.to_owned() } }
}

/// The certificates that are shown at `url`, in PEM, whoever signed them.
pub fn shown_certificates(place: &Place, url: &str) -> Vec<String> {
    let mut command = place.command("/usr/bin/curl");
    command.args(["--silent", "--insecure", "--max-time", "10", "--noproxy", "*", "--output", "/dev/null"]);
    let output = command.args(["--write-out", "%{certs}"]).arg(url).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let begin = "-----BEGIN CERTIFICATE-----";
    text.split(begin)
        .skip(1)
        .filter_map(|rest| {
            Some(format!("{begin}{}-----END CERTIFICATE-----\n", rest.split_once("-----END CERTIFICATE-----")?.0))
        })
        .collect()
}
