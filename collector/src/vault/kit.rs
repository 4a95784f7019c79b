//! A recovery kit: the key ring, and where the backups are, sealed to a code that lies elsewhere on paper.
//!
//! The code makes an X25519 key pair (HKDF-SHA256). Its public half stays beside the key ring, so that later kits are sealed without the
//! code; what only the private half opens is sealed by AES-256-GCM under a key that HKDF-SHA256 derives from an agreement with a key
//! pair of each kit's own. What stands in the open is authenticated with it.

use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_shared::daykeys::hex;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{KeyLength, KeyRing, NONCE, VaultError, files, token};

/// The file that a first start writes, beside the key ring.
pub const FILE: &str = "recovery-kit.json";
/// The file of the code, until somebody takes it away.
pub const CODE: &str = "recovery-code.txt";
/// The file of the public half.
const RECIPIENT: &str = "recovery-recipient.txt";

/// What stands in a kit in the open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The form; 1.
    pub picket_recovery_kit: u32,
    /// What probes know the installation as.
    pub collector: String,
    /// The number of the cluster.
    pub system: String,
    /// When it was made.
    pub made: String,
    /// Where the backups are, in words.
    pub place: String,
    /// Names of the keys in it, the newest last.
    pub keys: Vec<String>,
}

/// A kit as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kit {
    /// What stands in the open.
    pub label: Label,
    ephemeral: String,
    sealed: String,
}

/// What a kit holds.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The keys.
    pub ring: KeyRing,
    /// Where the backups are.
    pub place: Value,
}

#[derive(Serialize, Deserialize)]
struct Content {
    keys: String,
    place: Value,
}

/// Who opens kits.
#[derive(Clone, Debug)]
pub struct Recipient(Vec<u8>);

impl Recipient {
    /// The one beside a key ring; `None` when there is none yet.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn load(directory: &Path) -> Result<Option<Self>, VaultError> {
        let path = directory.join(RECIPIENT);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        match STANDARD.decode(text.expose().trim()) {
            Ok(bytes) if bytes.len() == 32 => Ok(Some(Self(bytes))),
            _ => Err(VaultError::Damaged { path, line: 1 }),
        }
    }

    /// Makes a code, and writes it and its public half beside the key ring. `anew` leaves a code from before without use.
    ///
    /// # Errors
    /// When there is one already, or the files cannot be written.
    pub fn create(directory: &Path, anew: bool) -> Result<(Self, PathBuf), VaultError> {
        let code = hex(Zeroizing::new(token::random_bytes::<20>()?).as_slice());
        let groups: Vec<&str> = (0..10).filter_map(|number| code.get(number * 4..number * 4 + 4)).collect();
        let code = Zeroizing::new(groups.join("-"));
        let recipient = Self(public(&private(&code)?)?);
        let (public, secret) = (directory.join(RECIPIENT), directory.join(CODE));
        if anew {
            for path in [&public, &secret] {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(VaultError::File { path: path.clone(), error });
                    }
                    _ => {}
                }
            }
        }
        files::write_new(&secret, &format!("{}\n", *code))?;
        files::write_new(&public, &format!("{}\n", STANDARD.encode(&recipient.0)))?;
        Ok((recipient, secret))
    }

    /// Seals a kit.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn seal(&self, label: Label, ring: &KeyRing, place: Value) -> Result<Kit, VaultError> {
        let own = PrivateKey::generate(&X25519).map_err(|_| VaultError::Unsealed)?;
        let ephemeral = public(&own)?;
        let key = agreed(&own, &self.0, &ephemeral, &self.0)?;
        let content = Content { keys: ring.text().to_string(), place };
        let mut body = serde_json::to_vec(&content).map_err(|_| VaultError::Unsealed)?;
        let nonce =
            key.seal_in_place_append_tag(Aad::from(open_part(&label)?), &mut body).map_err(|_| VaultError::Unsealed)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&body);
        Ok(Kit { label, ephemeral: STANDARD.encode(ephemeral), sealed: STANDARD.encode(sealed) })
    }
}

impl Kit {
    /// Opens it by its code, however that is spaced.
    ///
    /// # Errors
    /// When the code is another's, or the kit was changed.
    pub fn open(&self, code: &SecretString) -> Result<Opened, VaultError> {
        if self.label.picket_recovery_kit != 1 {
            return Err(VaultError::Malformed);
        }
        let own = private(code.expose())?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| VaultError::Malformed);
        let (ephemeral, sealed) = (bytes(&self.ephemeral)?, bytes(&self.sealed)?);
        let key = agreed(&own, &ephemeral, &ephemeral, &public(&own)?)?;
        let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(VaultError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Malformed)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = key
            .open_in_place(nonce, Aad::from(open_part(&self.label)?), &mut body)
            .map_err(|_| VaultError::NotThisCode)?;
        let content: Content = serde_json::from_slice(plain).map_err(|_| VaultError::Malformed)?;
        let ring = KeyRing::parse(&Zeroizing::new(content.keys)).map_err(|_| VaultError::Malformed)?;
        Ok(Opened { ring, place: content.place })
    }
}

fn open_part(label: &Label) -> Result<Vec<u8>, VaultError> {
    serde_json::to_vec(label).map_err(|_| VaultError::Malformed)
}

/// The private half that a code makes.
fn private(code: &str) -> Result<PrivateKey, VaultError> {
    let digits: Zeroizing<String> =
        Zeroizing::new(code.chars().filter(char::is_ascii_hexdigit).map(|digit| digit.to_ascii_lowercase()).collect());
    if digits.len() != 40 {
        return Err(VaultError::NotThisCode);
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    let prk = Salt::new(HKDF_SHA256, b"picket recovery code 1").extract(digits.as_bytes());
    prk.expand(&[b"x25519"], KeyLength)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| VaultError::Unsealed)?;
    PrivateKey::from_private_key(&X25519, key.as_slice()).map_err(|_| VaultError::Unsealed)
}

fn public(key: &PrivateKey) -> Result<Vec<u8>, VaultError> {
    Ok(key.compute_public_key().map_err(|_| VaultError::Unsealed)?.as_ref().to_vec())
}

/// The key of one kit: from the agreement, and from both public halves.
fn agreed(
    own: &PrivateKey,
    other: &[u8],
    ephemeral: &[u8],
    recipient: &[u8],
) -> Result<RandomizedNonceKey, VaultError> {
    let other = UnparsedPublicKey::new(&X25519, other);
    agree(own, other, VaultError::Malformed, |shared| {
        let mut key = Zeroizing::new([0_u8; 32]);
        let prk = Salt::new(HKDF_SHA256, b"picket recovery kit 1").extract(shared);
        let parties = [ephemeral, recipient];
        prk.expand(&parties, KeyLength)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .map_err(|_| VaultError::Unsealed)?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| VaultError::Unsealed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn label() -> Label {
        Label {
            picket_recovery_kit: 1,
            collector: "c".to_owned(),
            system: "7".to_owned(),
            made: "2026-11-26T08:00:00Z".to_owned(),
            place: "/srv/archive".to_owned(),
            keys: vec!["0000000a".to_owned()],
        }
    }

    #[test]
    fn a_kit_is_opened_by_its_code_alone_and_only_as_it_was_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let (recipient, file) = Recipient::create(folder.path(), false).unwrap();
        let code = std::fs::read_to_string(&file).unwrap();
        let mut ring = KeyRing::generate().unwrap();
        ring.rotate(picket_shared::time::Timestamp::from_seconds(1)).unwrap();
        let kit = recipient.seal(label(), &ring, json!({ "directory": "/srv/archive" })).unwrap();
        // Later kits need the public half alone.
        std::fs::remove_file(&file).unwrap();
        let again = Recipient::load(folder.path()).unwrap().unwrap();
        let text = serde_json::to_string(&again.seal(label(), &ring, json!(1)).unwrap()).unwrap();
        assert!(!text.contains(&ring.text().lines().last().unwrap()[9..]), "no key stands in the open");
        let read: Kit = serde_json::from_str(&text).unwrap();
        let code = SecretString::new(code.to_uppercase().replace('-', " "));
        assert_eq!(read.open(&code).unwrap().place, json!(1));
        let opened = kit.open(&code).unwrap();
        assert_eq!(*opened.ring.text(), *ring.text());
        assert_eq!(opened.place["directory"], "/srv/archive");

        let other = tempfile::tempdir().unwrap();
        let (_, file) = Recipient::create(other.path(), false).unwrap();
        let stranger = SecretString::new(std::fs::read_to_string(file).unwrap());
        assert!(matches!(kit.open(&stranger), Err(VaultError::NotThisCode)));
        assert!(matches!(kit.open(&SecretString::new("1234".to_owned())), Err(VaultError::NotThisCode)));
        let mut moved = kit.clone();
        moved.label.system = "8".to_owned();
        assert!(matches!(moved.open(&code), Err(VaultError::NotThisCode)));
        let mut cut = kit;
        cut.sealed.truncate(8);
        assert!(cut.open(&code).is_err());
    }

    #[test]
    fn a_code_is_replaced_only_when_somebody_says_so() {
        let folder = tempfile::tempdir().unwrap();
        Recipient::create(folder.path(), false).unwrap();
        let first = std::fs::read_to_string(folder.path().join(CODE)).unwrap();
        assert!(Recipient::create(folder.path(), false).is_err());
        Recipient::create(folder.path(), true).unwrap();
        assert_ne!(std::fs::read_to_string(folder.path().join(CODE)).unwrap(), first);
    }
}
