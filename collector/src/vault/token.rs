//! Random bytes, codes that people type, and tokens that people's browsers hold: 256 random bits, of which only the
//! SHA-256 is stored.

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_shared::secret::SecretString;

use super::VaultError;

const BYTES: usize = 32;
/// What a form's proof is the authentication code of.
const FORM: &[u8] = b"picket form 1";

/// Bytes from the system's generator.
///
/// # Errors
/// When the system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(bytes)
}

/// Six digits, each of a million as likely as the others.
///
/// # Errors
/// When the system gives no random bytes.
pub fn code() -> Result<SecretString, VaultError> {
    const CODES: u32 = 1_000_000;
    loop {
        let drawn = u32::from_be_bytes(random_bytes()?);
        // The last, incomplete million would favour its codes.
        if drawn < u32::MAX - u32::MAX % CODES {
            return Ok(SecretString::new(format!("{:06}", drawn % CODES)));
        }
    }
}

/// Five bits a character, as RFC 4648 writes them (section 6), without padding.
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| usize::from((byte >> (7 - n % 8)) & 1));
    let characters = (bytes.len() * 8).div_ceil(5);
    let place = |n: usize| (0..5).fold(0, |value, more| (value << 1) | bit(n * 5 + more));
    (0..characters).map(|n| char::from(ALPHABET[place(n)])).collect()
}

/// A code that recovers an account: 120 random bits in six groups of four. So many need no slow hash.
///
/// # Errors
/// When the system gives no random bytes.
pub fn recovery_code() -> Result<SecretString, VaultError> {
    let text = base32(&random_bytes::<15>()?);
    let groups: Vec<&str> = (0..text.len()).step_by(4).filter_map(|from| text.get(from..from + 4)).collect();
    Ok(SecretString::new(groups.join("-")))
}

/// What is stored of a recovery code, however it is typed; `None` when it cannot be one.
pub fn recovery_hash(typed: &str) -> Option<TokenHash> {
    let code: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let code = code.to_ascii_uppercase();
    let plain = code.len() == 24 && code.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
    plain.then(|| fingerprint(&[b"recovery code", code.as_bytes()]))
}

/// The SHA-256 of several parts, each with its length in front.
pub fn fingerprint(parts: &[&[u8]]) -> TokenHash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    TokenHash(hash)
}

/// A token as the browser holds it: 43 characters of base64url. Never stored, never printed.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

/// What is stored of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn new() -> Result<Self, VaultError> {
        Ok(Self(SecretString::new(URL_SAFE_NO_PAD.encode(random_bytes::<BYTES>()?))))
    }

    /// A token as it came back; `None` when it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == BYTES).then(|| Self(SecretString::new(text.to_owned())))
    }

    /// The text itself, for the cookie or the link.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is stored and searched for.
    pub fn hash(&self) -> TokenHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.expose().as_bytes()).as_ref());
        TokenHash(hash)
    }

    /// The value that a form of this session must carry: bound to the session, and useless without its cookie.
    pub fn form_proof(&self) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key(), FORM).as_ref())
    }

    /// Whether a form carries that value; compared in constant time.
    pub fn proves(&self, proof: &str) -> bool {
        URL_SAFE_NO_PAD.decode(proof).is_ok_and(|tag| hmac::verify(&self.key(), FORM, &tag).is_ok())
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.expose().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_six_digits_and_codes_differ() {
        let codes: Vec<_> = (0..20).map(|_| code().unwrap()).collect();
        for code in &codes {
            assert!(code.expose().len() == 6 && code.expose().chars().all(|c| c.is_ascii_digit()), "{}", code.expose());
        }
        assert!(codes.iter().any(|code| *code != codes[0]));
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")]
        {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let code = recovery_code().unwrap();
        assert_eq!(code.expose().len(), 29);
        let hash = recovery_hash(code.expose()).unwrap();
        assert_eq!(recovery_hash(&format!(" {} ", code.expose().replace('-', " ").to_lowercase())), Some(hash));
        assert_ne!(recovery_hash(recovery_code().unwrap().expose()), Some(hash));
        for bad in [
            "",
            "123456",
            &code.expose()[1..],
            &format!("{}A", code.expose()),
            &code.expose().replace(|c: char| c.is_alphabetic(), "1"),
        ] {
            assert_eq!(recovery_hash(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_eq!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"ab", b"c"]));
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(random_bytes::<32>().unwrap(), random_bytes::<32>().unwrap());
    }

    #[test]
    fn a_token_comes_back_as_itself_and_nothing_else_is_one() {
        let token = Token::new().unwrap();
        assert_eq!(token.expose().len(), 43);
        assert_eq!(Token::parse(token.expose()).unwrap().hash(), token.hash());
        assert_ne!(Token::new().unwrap().hash(), token.hash());
        for bad in ["", "x", &token.expose()[1..], &format!("{}=", token.expose()), &format!("{}\n", token.expose())] {
            assert!(Token::parse(bad).is_none(), "{bad:?}");
        }
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    #[test]
    fn a_form_is_proven_by_the_session_that_it_was_made_for() {
        let (token, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert!(token.proves(&token.form_proof()));
        assert!(!token.proves(&other.form_proof()) && !token.proves("") && !token.proves("?"));
    }
}
