//! For whom passkeys are: the host of the public URL, by which authenticators keep them apart.

use aws_lc_rs::digest;
use url::{Host, Url};

/// The relying party that this Picket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origin: String,
}

impl RelyingParty {
    /// Of a public URL. None where browsers know no passkeys: at an address without a name, and without HTTPS but at
    /// `localhost`.
    pub fn of(public_url: &str) -> Option<Self> {
        let url = Url::parse(public_url).ok()?;
        let Some(Host::Domain(id)) = url.host() else { return None };
        let safe = url.scheme() == "https" || (url.scheme() == "http" && id == "localhost");
        safe.then(|| Self { id: id.to_owned(), origin: url.origin().ascii_serialization() })
    }

    /// What authenticators know it by: a host name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its pages are: scheme, host, and port unless it is the usual one.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn is(&self, hash: &[u8]) -> bool {
        digest::digest(&digest::SHA256, self.id.as_bytes()).as_ref() == hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_party_is_the_host_of_the_public_url() {
        for (url, id, origin) in [
            ("https://Picket.example", "picket.example", "https://picket.example"),
            ("https://picket.example:443/", "picket.example", "https://picket.example"),
            ("https://picket.example:8443", "picket.example", "https://picket.example:8443"),
            ("http://localhost:8080", "localhost", "http://localhost:8080"),
        ] {
            let party = RelyingParty::of(url).unwrap();
            assert_eq!((party.id(), party.origin()), (id, origin), "{url}");
        }
        for url in ["https://192.0.2.1:8443", "https://[2001:db8::1]", "http://picket.example", "ftp://localhost", "x"]
        {
            assert_eq!(RelyingParty::of(url), None, "{url}");
        }
    }
}
