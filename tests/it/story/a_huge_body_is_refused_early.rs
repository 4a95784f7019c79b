//! A body of 1 GiB, with its length told or in chunks, and a zstd bomb: refused early, nothing stored, and the
//! collector's memory stays bounded.

use std::io::Read;

use picket_tests::forger::Forger;
use picket_tests::world::World;

const GIB_IN_PIECES: u64 = 1 << 14;
/// What a refusal may cost: the largest body that is taken, decompressed and read, with room to spare.
const MORE_KIB: u64 = 64 * 1024;

#[test]
fn a_huge_body_is_refused_early() {
    let world = World::local();
    let (_, token) = world.collector.add_probe("eu", &[]);
    let forger = Forger::enrol(world.collector.address, &token);
    let monitor = world.collector.monitor("http://192.0.2.1/", "http", &["eu"], &["--name", "shop"]);
    let body = Forger::batch_body(Vec::new());
    let small = forger.send_batch(&forger.sign_batch(&forger.batch_claims(&body)), &body);
    assert_eq!(small.status, 200, "{small:?}");
    let before = world.collector.peak_memory_kib();

    for chunked in [false, true] {
        let token = forger.sign_batch(&forger.batch_claims(b"never sent whole"));
        let answer = forger.send_endless(&token, GIB_IN_PIECES, chunked);
        assert_eq!(answer.refusal(), (413, "too_large"), "chunked: {chunked}: {answer:?}");
        // Sockets on both sides hold some megabytes that nobody reads.
        assert!(answer.sent < 32 << 20, "{} bytes were taken", answer.sent);
    }
    for bomb in [zeros(256 << 20), json_bomb(64 << 20)] {
        assert!(bomb.len() < 256 * 1024, "{}", bomb.len());
        let answer = forger.send_batch(&forger.sign_batch(&forger.batch_claims(&bomb)), &bomb);
        assert_eq!(answer.refusal(), (413, "too_large"), "{answer:?}");
    }

    let after = world.collector.peak_memory_kib();
    println!("peak memory: {before} KiB before, {after} KiB after");
    assert!(after < before + MORE_KIB, "from {before} KiB to {after} KiB");
    assert!(world.collector.show(&monitor).outcomes().is_empty());
    let again = forger.send_batch(&forger.sign_batch(&forger.batch_claims(&body)), &body);
    assert_eq!(again.status, 200, "{again:?}");
}

fn zeros(size: u64) -> Vec<u8> {
    zstd::encode_all(std::io::repeat(0).take(size), 1).unwrap()
}

/// Well-formed as far as it goes: a batch with an endless list.
fn json_bomb(size: u64) -> Vec<u8> {
    let head: &[u8] = br#"{"through":1,"outcomes":["#;
    zstd::encode_all(head.chain(std::io::repeat(b' ').take(size)), 1).unwrap()
}
