//! What others' code made is taken, and nothing that differs from it by a byte; no bytes make it panic.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// A passkey that was made and used, by `vectors.py` or by Chromium's virtual authenticator.
#[derive(Clone, Debug, Deserialize)]
struct Vector {
    name: String,
    origin: String,
    made_for: String,
    create_client_data: String,
    attestation: String,
    id: String,
    used_for: String,
    get_client_data: String,
    authenticator_data: String,
    signature: String,
    verified: bool,
    eligible: bool,
    backed_up: bool,
    counts: [u32; 2],
}

#[derive(Deserialize)]
struct Vectors {
    fido2: Vec<Vector>,
    chromium: Vec<Vector>,
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

impl Vector {
    fn party(&self) -> RelyingParty {
        RelyingParty::of(&self.origin).unwrap()
    }

    fn made_for(&self) -> Challenge {
        unhex(&self.made_for).try_into().unwrap()
    }

    fn used_for(&self) -> Challenge {
        unhex(&self.used_for).try_into().unwrap()
    }

    fn passkey(&self) -> NewPasskey {
        NewPasskey { client_data: unhex(&self.create_client_data), attestation: unhex(&self.attestation) }
    }

    /// The passkey that was made, with other bytes of the authenticator. Nobody signed these.
    fn made_with(&self, change: impl FnOnce(&mut Vec<u8>)) -> NewPasskey {
        let whole = unhex(&self.attestation);
        let at = whole.windows(9).position(|part| part == b"hauthData").unwrap() + 9;
        let head = if whole[at] == 0x58 { 2 } else { 3 };
        let mut data = whole[at + head..].to_vec();
        change(&mut data);
        let length = match u8::try_from(data.len()) {
            Ok(short) => vec![0x58, short],
            Err(_) => [&[0x59], &u16::try_from(data.len()).unwrap().to_be_bytes()[..]].concat(),
        };
        NewPasskey { attestation: [&whole[..at], &length, &data].concat(), ..self.passkey() }
    }

    fn proof(&self) -> Proof {
        Proof {
            id: unhex(&self.id),
            client_data: unhex(&self.get_client_data),
            authenticator_data: unhex(&self.authenticator_data),
            signature: unhex(&self.signature),
            user_handle: Vec::new(),
        }
    }

    fn seen(&self, count: u32) -> Seen {
        Seen { verified: self.verified, eligible: self.eligible, backed_up: self.backed_up, count }
    }

    fn register(&self) -> Registered {
        register(&self.party(), &self.made_for(), &self.passkey()).unwrap()
    }

    fn prove(&self, proof: &Proof) -> Result<Seen, Fault> {
        let key = PublicKey::parse(&self.register().key).unwrap();
        prove(&self.party(), &self.used_for(), (&key, self.eligible), proof, false)
    }
}

fn vectors() -> Vec<Vector> {
    let Vectors { fido2, chromium } = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(fido2.len() >= 7 && chromium.len() >= 2);
    [fido2, chromium].concat()
}

fn named(name: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.name == name).unwrap()
}

#[test]
fn what_other_code_made_and_signed_is_taken() {
    for vector in vectors() {
        let made = vector.register();
        assert_eq!((made.id, made.seen), (unhex(&vector.id), vector.seen(vector.counts[0])), "{}", vector.name);
        assert_eq!(challenge(&vector.proof().client_data), Ok(vector.used_for()), "{}", vector.name);
        assert_eq!(vector.prove(&vector.proof()), Ok(vector.seen(vector.counts[1])), "{}", vector.name);
    }
}

#[test]
fn a_changed_byte_anywhere_in_a_proof_is_refused() {
    for vector in vectors() {
        let good = vector.proof();
        let parts: [fn(&mut Proof) -> &mut Vec<u8>; 3] =
            [|proof| &mut proof.client_data, |proof| &mut proof.authenticator_data, |proof| &mut proof.signature];
        for part in parts {
            for at in 0..part(&mut good.clone()).len() {
                let mut bad = good.clone();
                part(&mut bad)[at] ^= 1;
                assert!(vector.prove(&bad).is_err(), "{}: byte {at}", vector.name);
            }
            let mut long = good.clone();
            part(&mut long).push(0);
            assert!(vector.prove(&long).is_err(), "{}: a byte more", vector.name);
            let mut short = good.clone();
            part(&mut short).pop();
            assert!(vector.prove(&short).is_err(), "{}: a byte less", vector.name);
        }
    }
}

#[test]
fn a_new_passkey_is_refused_when_it_is_cut_or_goes_on() {
    for vector in vectors() {
        let good = vector.passkey();
        let refused = |new: &NewPasskey| register(&vector.party(), &vector.made_for(), new).is_err();
        for length in 0..good.attestation.len() {
            let cut = NewPasskey { attestation: good.attestation[..length].to_vec(), ..good.clone() };
            assert!(refused(&cut), "{}: {length} bytes", vector.name);
        }
        let long = NewPasskey { attestation: [&good.attestation[..], b"\0"].concat(), ..good };
        assert!(refused(&long), "{}", vector.name);
    }
}

#[test]
fn a_passkey_that_vouches_for_itself_is_held_to_it() {
    for name in ["es256, vouching for itself", "eddsa, vouching for itself"] {
        let vector = named(name);
        let good = vector.passkey();
        for at in 0..good.attestation.len() {
            let mut bad = good.clone();
            bad.attestation[at] ^= 1;
            assert!(register(&vector.party(), &vector.made_for(), &bad).is_err(), "{name}: byte {at}");
        }
    }
}

#[test]
fn another_ceremony_challenge_page_or_party_is_refused() {
    let vector = named("es256");
    let (party, made_for, used_for) = (vector.party(), vector.made_for(), vector.used_for());
    let key = PublicKey::parse(&vector.register().key).unwrap();
    let proven = |party: &RelyingParty, challenge: &Challenge, proof: &Proof| {
        prove(party, challenge, (&key, false), proof, true).map(|_| ())
    };
    let mut proof = vector.proof();
    assert_eq!(proven(&party, &used_for, &proof), Ok(()));
    assert_eq!(proven(&party, &made_for, &proof), Err(Fault::Challenge));
    assert_eq!(register(&party, &used_for, &vector.passkey()).unwrap_err(), Fault::Challenge);
    let elsewhere = |url: &str| RelyingParty::of(url).unwrap();
    assert_eq!(proven(&elsewhere("https://picket.example:8443"), &used_for, &proof), Err(Fault::Origin));
    assert_eq!(proven(&elsewhere("https://evil.example"), &used_for, &proof), Err(Fault::Origin));
    assert_eq!(
        proven(&party, &used_for, &Proof { client_data: vector.passkey().client_data, ..proof.clone() }),
        Err(Fault::Kind)
    );
    let moved = vector.authenticator_data.replacen(&vector.authenticator_data[..64], &"00".repeat(32), 1);
    assert_eq!(
        proven(&party, &used_for, &Proof { authenticator_data: unhex(&moved), ..proof.clone() }),
        Err(Fault::Party)
    );
    let text = String::from_utf8(proof.client_data.clone()).unwrap();
    for (from, to, fault) in [
        ("\"crossOrigin\":false", "\"crossOrigin\":true", Fault::Origin),
        ("\"crossOrigin\":false", "\"topOrigin\":\"https://evil.example\"", Fault::Origin),
        ("\"crossOrigin\":false", "\"crossOrigin\":0", Fault::Malformed),
        ("\"crossOrigin\":false", "\"origin\":\"https://picket.example\"", Fault::Malformed),
        ("picket.example", "picket.example.evil.example", Fault::Origin),
        ("\"challenge\"", "\"challenges\"", Fault::Malformed),
    ] {
        assert!(text.contains(from), "{text}");
        proof.client_data = text.replace(from, to).into_bytes();
        assert_eq!(proven(&party, &used_for, &proof), Err(fault), "{to}");
    }
}

#[test]
fn a_passkey_that_was_made_elsewhere_or_by_nobody_is_refused() {
    let vector = named("es256");
    let made = |new: &NewPasskey| register(&vector.party(), &vector.made_for(), new).map(|_| ());
    assert_eq!(made(&vector.made_with(|_| ())), Ok(()));
    let text = String::from_utf8(vector.passkey().client_data).unwrap();
    for (from, to, fault) in [
        ("webauthn.create", "webauthn.get", Fault::Kind),
        ("webauthn.create", "payment.get", Fault::Kind),
        ("https://picket.example", "http://picket.example", Fault::Origin),
        ("https://picket.example", "https://evil.picket.example", Fault::Origin),
        ("https://picket.example", "https://picket.example:8443", Fault::Origin),
        ("\"crossOrigin\":false", "\"crossOrigin\":true", Fault::Origin),
        ("\"crossOrigin\":false", "\"topOrigin\":\"https://picket.example\"", Fault::Origin),
    ] {
        assert!(text.contains(from), "{text}");
        let new = NewPasskey { client_data: text.replace(from, to).into_bytes(), ..vector.passkey() };
        assert_eq!(made(&new), Err(fault), "{to}");
    }
    assert_eq!(made(&vector.made_with(|data| data[31] ^= 1)), Err(Fault::Party));
    let with_flags = |flags: u8| made(&vector.made_with(|data| data[32] = flags));
    assert_eq!(with_flags(0b0100_0100), Err(Fault::Absent));
    assert_eq!(with_flags(0b0101_0101), Err(Fault::Backup), "copied, and cannot be");
    assert_eq!(with_flags(0b0000_0101), Err(Fault::Malformed), "a passkey is there, and is not announced");
    assert_eq!(with_flags(0b1100_0101), Err(Fault::Malformed), "an extension is announced, and is not there");
    assert_eq!(with_flags(0b0101_1101), Ok(()), "copied, and can be");
    assert_eq!(made(&vector.made_with(|data| data.truncate(37))), Err(Fault::Malformed), "no passkey in it");
}

#[test]
fn an_id_is_as_long_as_the_standard_lets_it_be() {
    let vector = named("es256");
    let made = |length: u16| {
        let new = vector.made_with(|data| {
            data.splice(53..55 + 64, [&length.to_be_bytes()[..], &vec![7; usize::from(length)]].concat());
        });
        register(&vector.party(), &vector.made_for(), &new).map(|made| made.id.len())
    };
    assert_eq!((made(1), made(1023)), (Ok(1), Ok(1023)));
    assert_eq!(
        (made(0), made(1024), made(3900)),
        (Err(Fault::Malformed), Err(Fault::Malformed), Err(Fault::Malformed))
    );
}

#[test]
fn who_was_not_verified_is_refused_where_that_is_all_there_is() {
    let vector = named("es256, not verified");
    let key = PublicKey::parse(&vector.register().key).unwrap();
    let proven = |must| prove(&vector.party(), &vector.used_for(), (&key, false), &vector.proof(), must);
    assert_eq!((proven(true), proven(false)), (Err(Fault::Unverified), Ok(vector.seen(6))));
}

#[test]
fn flags_that_cannot_be_are_refused() {
    let vector = named("es256");
    let with = |flags: u8| {
        let mut proof = vector.proof();
        proof.authenticator_data[32] = flags;
        vector.prove(&proof)
    };
    assert_eq!(with(0b0000_0100), Err(Fault::Absent));
    assert_eq!(with(0b0001_0101), Err(Fault::Backup), "copied, and cannot be");
    assert_eq!(with(0b0000_1101), Err(Fault::Backup), "could not be copied when it was made");
    assert_eq!(with(0b0100_0101), Err(Fault::Malformed), "a passkey is made, and is not there");
    assert_eq!(with(0b1000_0101), Err(Fault::Malformed), "an extension, and there is none");
}

#[test]
fn keys_are_of_two_kinds_and_hold_nothing_else() {
    let es256 = named("es256").register().key;
    let ed25519 = named("eddsa").register().key;
    let changed = |key: &[u8], at: usize, byte: u8| {
        let mut key = key.to_vec();
        key[at] = byte;
        PublicKey::parse(&key)
    };
    assert_eq!(es256[..6], [0xa5, 1, 2, 3, 0x26, 0x20]);
    for (at, byte) in [(2, 1), (4, 0x27), (6, 2), (0, 0xa4), (0, 0xa6)] {
        assert!(changed(&es256, at, byte).is_err(), "byte {at}");
    }
    assert_eq!(changed(&es256, 20, es256[20] ^ 1), Err(Fault::Algorithm), "no point of the curve");
    let origin = [&es256[..10], &[0; 32], &es256[42..45], &[0; 32]].concat();
    assert_eq!(PublicKey::parse(&origin), Err(Fault::Algorithm), "no point of the curve either");
    assert!(changed(&ed25519, 2, 2).is_err() && changed(&ed25519, 4, 0x26).is_err());
    let start = ed25519.len() - 32;
    for (y, what) in [(0, "order 4"), (1, "order 1: anybody's signature fits it"), (2, "no point")] {
        let key = [&ed25519[..start], &[y], &[0; 31]].concat();
        assert_eq!(PublicKey::parse(&key), Err(Fault::Algorithm), "{what}");
    }
    let rsa = b"\xa4\x01\x03\x03\x39\x01\x00\x20\x41\x05\x21\x43\x01\x00\x01";
    assert!(PublicKey::parse(rsa).is_err(), "RS256");
    let more = [&[0xa6], &es256[1..], &[0x20, 1]].concat();
    assert_eq!(PublicKey::parse(&more), Err(Fault::Malformed), "a label twice");
    let foreign = [&[0xa5], &ed25519[1..], &[0x04, 1]].concat();
    assert_eq!(PublicKey::parse(&foreign), Err(Fault::Algorithm), "a label that is not needed");
}

#[test]
fn other_attestations_are_refused() {
    let vector = named("es256");
    let attestation = unhex(&vector.attestation);
    // a3 63 "fmt" 64 "none" 67 "attStmt" a0 ...
    assert_eq!(&attestation[..18], b"\xa3cfmtdnonegattStmt");
    let with = |format: &[u8], statement: &[u8]| {
        let whole = [b"\xa3cfmt", format, b"gattStmt", statement, &attestation[19..]].concat();
        register(&vector.party(), &vector.made_for(), &NewPasskey { attestation: whole, ..vector.passkey() })
            .map(|_| ())
    };
    assert_eq!(with(b"dnone", b"\xa0"), Ok(()));
    assert_eq!(with(b"dnone", b"\xa1aa\x00"), Err(Fault::Attestation));
    assert_eq!(with(b"ctpm", b"\xa0"), Err(Fault::Attestation));
    assert_eq!(with(b"fpacked", b"\xa3calg\x26csig\x40cx5c\x80"), Err(Fault::Attestation));
    assert_eq!(with(b"fpacked", b"\xa2calg\x26csig\x40"), Err(Fault::Signature));
    assert_eq!(with(b"fpacked", b"\xa2calg\x27csig\x40"), Err(Fault::Attestation));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let vector = named("es256");
        let challenge_found = challenge(&bytes);
        prop_assert!(challenge_found.is_err());
        let new = NewPasskey { attestation: bytes.clone(), ..vector.passkey() };
        prop_assert!(register(&vector.party(), &vector.made_for(), &new).is_err());
        let proof = Proof { authenticator_data: bytes.clone(), ..vector.proof() };
        prop_assert!(vector.prove(&proof).is_err());
        let proof = Proof { signature: bytes.clone(), ..vector.proof() };
        prop_assert!(vector.prove(&proof).is_err());
        let (new, proof) = (vector.passkey(), vector.proof());
        let new = NewPasskey { client_data: bytes.clone(), ..new };
        prop_assert!(register(&vector.party(), &vector.made_for(), &new).is_err());
        let proof = Proof { client_data: bytes.clone(), ..proof };
        prop_assert!(vector.prove(&proof).is_err());
        prop_assert!(PublicKey::parse(&bytes).is_err());
    }

    #[test]
    fn whatever_is_cut_put_in_or_turned_around_is_judged_without_a_panic(
        which in 0..9_usize,
        changes in proptest::collection::vec((0..4_usize, any::<usize>(), 0..4_usize, any::<[u8; 3]>(), 0..4_usize), 1..6),
    ) {
        let vector = vectors().swap_remove(which);
        let (mut new, mut proof) = (vector.passkey(), vector.proof());
        for (part, at, cut, bytes, put) in changes {
            for bytes_of in [
                [&mut new.client_data, &mut new.attestation].into_iter().nth(part % 2),
                [&mut proof.client_data, &mut proof.authenticator_data, &mut proof.signature].into_iter().nth(part % 3),
            ] {
                let place = bytes_of.unwrap();
                let at = at % (place.len() + 1);
                let end = (at + cut).min(place.len());
                place.splice(at..end, bytes[..put.min(3)].iter().copied());
            }
        }
        // Nobody signed what comes without an attestation; what is kept of it can be read again.
        if let Ok(made) = register(&vector.party(), &vector.made_for(), &new) {
            prop_assert!((1..=1023).contains(&made.id.len()));
            prop_assert!(made.key.len() <= 200 && PublicKey::parse(&made.key).is_ok());
        }
        let good = vector.proof();
        let same = (&proof.client_data, &proof.authenticator_data, &proof.signature)
            == (&good.client_data, &good.authenticator_data, &good.signature);
        prop_assert_eq!(vector.prove(&proof).is_ok(), same);
    }

    #[test]
    fn no_change_makes_it_panic(which in 0..9_usize, at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let vector = vectors().swap_remove(which);
        let mut new = vector.passkey();
        let at = at % new.attestation.len();
        new.attestation[at] = byte;
        new.attestation.truncate(cut % 4096);
        let _ = register(&vector.party(), &vector.made_for(), &new);
        let mut proof = vector.proof();
        let at = at % proof.authenticator_data.len();
        proof.authenticator_data[at] = byte;
        let same = proof.authenticator_data == vector.proof().authenticator_data;
        prop_assert_eq!(vector.prove(&proof).is_ok(), same);
    }
}
