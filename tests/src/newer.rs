//! A PostgreSQL of a later major version than the system has: that of the wheel `pgserver`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::our_program;

/// Its major version.
pub const MAJOR: u32 = 16;

/// Puts it below a folder that whoever a program runs as can reach; gives the directory of its programs.
pub fn programs(folder: &Path) -> PathBuf {
    let tool = our_program("picket-collector").parent().unwrap().with_file_name("tools").join("pgserver/lib");
    let python = fs::read_dir(&tool).ok().and_then(|mut found| found.next()).map(|found| found.unwrap().path());
    let packages = python.unwrap_or_else(|| panic!("{} is missing: run tests/run once", tool.display()));
    let packages = packages.join("site-packages");
    let into = folder.join("newer");
    fs::create_dir_all(into.join("pgserver/pginstall")).unwrap();
    // Programs find their libraries by the way from one folder to the other.
    let parts = ["pgserver.libs", "pgserver/pginstall/bin", "pgserver/pginstall/lib", "pgserver/pginstall/share"];
    for part in parts {
        let mut copy = Command::new("cp");
        copy.arg("--recursive").arg(packages.join(part)).arg(into.join(part));
        assert!(copy.status().unwrap().success(), "{part} cannot be copied: run tests/run once");
    }
    into.join("pgserver/pginstall/bin")
}
