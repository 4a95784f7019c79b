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
