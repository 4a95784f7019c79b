//! The benchmarks: `bench [NAME ...]` measures what is named, or everything, and prints one figure a line as JSON.
//!
//! Figures, not assertions: a run fails only if what it measures does not work. `docs/benchmarks.md` says how figures
//! are made and what they are worth. Programs come from the folder that this one lies in.
//!
//! [`probe`], [`intake`], [`pages`], [`archive`], [`login`] and [`telling`] are benchmarks; [`targets`], [`peer`] and the harness's desk are what the
//! first talks to, [`client`] keeps a connection open, [`load`] and [`database`] fill a collector and ask it, [`meter`] reads what a program used, [`figure`] prints.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails as a test does: at once, and saying where")]

mod archive;
mod client;
mod database;
mod figure;
mod intake;
mod load;
mod login;
mod meter;
mod pages;
mod peer;
mod probe;
mod targets;
mod telling;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

/// Measures and prints; the folder is its own.
type Bench = fn(&Path);

/// What can be measured.
const BENCHES: &[(&str, Bench)] = &[
    ("probe", probe::run),
    ("intake", intake::run),
    ("pages", pages::run),
    ("archive", archive::run),
    ("login", login::run),
    ("telling", telling::run),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| BENCHES.iter().any(|(bench, _)| bench == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        panic!("there is no benchmark {unknown:?}: use {}", names.join(" or "));
    }
    for (name, bench) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            let folder = tempfile::Builder::new().prefix("picket-bench-").tempdir().unwrap();
            // Programs that drop their privileges must reach what is in here.
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
            bench(folder.path());
        }
    }
    ExitCode::SUCCESS
}
