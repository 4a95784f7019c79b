//! Files that are damaged, or made to do harm.

use picket_collector::import::{self, Reading, Source, Upload};

use super::Kuma;

fn read(source: Source, bytes: &[u8]) -> Result<usize, String> {
    let files = [Upload { name: "file", bytes }];
    let found = import::read(source, &files, &Reading::default()).map_err(|error| error.to_string())?;
    Ok(found.candidates.len())
}

#[test]
fn a_database_that_is_cut_short_anywhere_is_refused() {
    let whole = Kuma::new(1, &[]).database;
    for length in (0..whole.len()).step_by(997).chain([15, 16, 99, 100, 4095, 4096]) {
        let error = read(Source::Kuma, &whole[..length]).unwrap_err();
        assert!(
            error.contains("cut short") || error.contains("empty") || error.contains("neither"),
            "{length}: {error}"
        );
    }
}

#[test]
fn a_database_with_any_bytes_changed_gives_an_answer_and_never_a_panic() {
    let whole = Kuma::new(1, &[]).database;
    let mut random = fastrand::Rng::with_seed(7);
    let mut errors = 0;
    for _ in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..20) {
            // Half of them where the schema and the inner pages are.
            let end = if random.bool() { 8192 } else { bytes.len() };
            bytes[random.usize(..end)] = random.u8(..);
        }
        errors += usize::from(read(Source::Kuma, &bytes).is_err());
    }
    assert!(errors > 20, "only {errors} were noticed");
}

#[test]
fn pages_that_lead_in_a_circle_end() {
    let mut bytes = Kuma::new(1, &["--many", "2000"]).database;
    // The root of the table of monitors is an inner page by now: let it lead to itself.
    let page = (1..bytes.len() / 4096).find(|page| bytes[page * 4096] == 0x05).unwrap();
    let number = u32::try_from(page + 1).unwrap().to_be_bytes();
    bytes[page * 4096 + 8..page * 4096 + 12].copy_from_slice(&number);
    assert!(read(Source::Kuma, &bytes).unwrap_err().contains("twice"));
}

#[test]
fn what_is_encrypted_or_something_else_is_refused_by_every_source() {
    let noise: Vec<u8> = std::iter::repeat_with({
        let mut random = fastrand::Rng::with_seed(1);
        move || random.u8(..)
    })
    .take(100_000)
    .collect();
    for source in Source::ALL {
        let error = read(source, &noise).unwrap_err();
        assert!(error.starts_with("file: "), "{error}");
        assert!(read(source, b"").is_err());
    }
}

#[test]
fn what_is_larger_than_may_be_is_refused_before_it_is_read() {
    let bytes = vec![b' '; import::MAX_BYTES + 1];
    for source in Source::ALL {
        assert!(read(source, &bytes).unwrap_err().contains("64 MiB at most"), "{source}");
    }
}

#[test]
fn more_monitors_than_may_be_are_refused() {
    let mut table = "target,name\n".to_owned();
    for number in 0..=import::MAX_MONITORS {
        table.push_str(&format!("https://a.example/,{number}\n"));
    }
    assert!(read(Source::Csv, table.as_bytes()).unwrap_err().contains("more than 50000"));
    let list = format!("[{}]", vec!["{}"; import::MAX_MONITORS + 1].join(","));
    assert!(read(Source::Json, list.as_bytes()).unwrap_err().contains("50000 at most"));
}

#[test]
fn fifty_thousand_of_one_name_are_told_apart() {
    let mut table = "target,name,external_key\n".to_owned();
    for number in 0..import::MAX_MONITORS {
        table.push_str(&format!("https://a.example/,same,{number}\n"));
    }
    assert_eq!(read(Source::Csv, table.as_bytes()), Ok(50_000));
}
