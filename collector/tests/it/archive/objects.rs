//! Objects made by another program (`objects.py`) open here, and hold what it put in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_collector::config::Keys;
use picket_collector::ops::archive::object;
use picket_collector::vault::{KeyRing, Opener, keyring};
use picket_shared::daykeys::hex;
use serde_json::Value;

#[test]
fn an_object_that_another_program_made_opens() {
    let known: Value = serde_json::from_str(include_str!("objects.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = keyring::file(folder.path());
    fs::write(&file, known["ring"].as_str().unwrap()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let opener = Opener::new(&KeyRing::load(&Keys::in_folder(folder.path())).unwrap().unwrap());
    let objects = known["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 10);
    for row in objects {
        let (name, text) = (row["name"].as_str().unwrap(), row["object"].as_str().unwrap());
        let content = object::open(&opener, name, &STANDARD.decode(text).unwrap()).unwrap();
        assert_eq!(content.len(), usize::try_from(row["length"].as_u64().unwrap()).unwrap());
        assert_eq!(hex(digest(&SHA256, &content).as_ref()), row["sha256"].as_str().unwrap());
    }
}
