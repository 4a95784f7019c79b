//! Signs requests as S3 wants them (AWS Signature Version 4), the body included: what is changed on the way is refused.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use picket_shared::daykeys::hex;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

/// Who signs, and for where.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) access_key: SecretString,
    pub(super) secret_key: SecretString,
    pub(super) region: String,
}

/// A request before it is signed.
#[derive(Debug)]
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    /// Encoded already.
    pub(super) path: &'a str,
    /// In the order of the names; not encoded yet.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// In lower case, in the order of the names; without those that are added here.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// What signing adds to the headers.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) date: String,
    pub(super) body_hash: String,
    pub(super) authorization: SecretString,
}

impl Signer {
    pub(super) fn sign(&self, request: &Unsigned<'_>, now: Timestamp) -> Signature {
        let date: String = format!("{now:.0}").chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let day = date.get(..8).unwrap_or_default();
        let body_hash = hex(digest(&SHA256, request.body).as_ref());
        let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
        headers.extend([("x-amz-content-sha256", body_hash.as_str()), ("x-amz-date", date.as_str())]);
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let query = query_text(request.query);
        let canonical = format!("{}\n{}\n{query}\n{lines}\n{names}\n{body_hash}", request.method, request.path);
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text =
            format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
        let signature = hex(mac(self.key(day).as_ref(), &text).as_ref());
        let authorization = SecretString::new(format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            self.access_key.expose()
        ));
        Signature { date, body_hash, authorization }
    }

    fn key(&self, day: &str) -> hmac::Tag {
        let first = SecretString::new(format!("AWS4{}", self.secret_key.expose()));
        let mut tag = mac(first.expose().as_bytes(), day);
        for step in [self.region.as_str(), "s3", "aws4_request"] {
            tag = mac(tag.as_ref(), step);
        }
        tag
    }
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// A query, encoded.
pub(super) fn query_text(query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false))).collect();
    pairs.join("&")
}

/// Encodes everything but what RFC 3986 leaves as it is; in a path, slashes stay.
pub(super) fn encode(text: &str, in_path: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || (in_path && byte == b'/');
        match plain {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of "Authenticating Requests: Using the Authorization Header" in Amazon's API reference of S3.
    #[test]
    fn signatures_are_those_of_the_reference() {
        let signer = Signer {
            access_key: SecretString::new("AKIAIOSFODNN7EXAMPLE".to_owned()),
            secret_key: SecretString::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            region: "us-east-1".to_owned(),
        };
        let now: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let object = Unsigned {
            method: "GET",
            path: "/test.txt",
            query: &[],
            headers: &[host, ("range", "bytes=0-9")],
            body: b"",
        };
        let list = Unsigned {
            method: "GET",
            path: "/",
            query: &[("max-keys", "2"), ("prefix", "J")],
            headers: &[host],
            body: b"",
        };
        for (request, signature) in [
            (object, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            (list, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let signed = signer.sign(&request, now);
            assert!(signed.authorization.expose().ends_with(&format!("Signature={signature}")), "{request:?}");
            assert_eq!(signed.date, "20130524T000000Z");
            assert!(!format!("{signed:?}{signer:?}").contains("EXAMPLE"));
        }
    }

    #[test]
    fn what_is_no_plain_character_is_encoded() {
        assert_eq!(encode("a b/ä+~", false), "a%20b%2F%C3%A4%2B~");
        assert_eq!(encode("a/b c", true), "a/b%20c");
    }
}
