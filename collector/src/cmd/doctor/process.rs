//! What holds the running collector: its user, and what the kernel takes from it.

use std::path::Path;

use super::{Finding, State};
use crate::config::{Config, DatabaseMode};

const NAME: &str = "confinement";

/// Looks at the process that PostgreSQL was started by, which is the collector.
pub(super) fn confinement(config: &Config) -> Finding {
    if config.database.mode == DatabaseMode::External {
        let why = "with an external database the collector's process is not known: see `systemd-analyze security`";
        return Finding::new(NAME, State::NotMeasured, why);
    }
    let status = postmaster(&config.database.data_dir).and_then(|pid| {
        let parent = field(&process(pid)?, "PPid")?.parse().ok().filter(|pid| *pid > 1)?;
        process(parent).filter(|status| field(status, "Name").is_some_and(|name| name.starts_with("picket-collect")))
    });
    match status {
        Some(status) => judge(&status),
        None => Finding::new(NAME, State::NotMeasured, "no collector runs that could be looked at"),
    }
}

fn postmaster(data_dir: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

fn process(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim())
}

fn judge(status: &str) -> Finding {
    let is = |name: &str, value: &str| field(status, name) == Some(value);
    let root = field(status, "Uid").is_some_and(|ids| ids.split_whitespace().any(|id| id == "0"));
    let capable = field(status, "CapEff").is_some_and(|set| set.bytes().any(|digit| digit != b'0'));
    if root || capable {
        let why = "the collector runs as root or with capabilities: start it by its service or as the user picket";
        return Finding::new(NAME, State::Fail, why);
    }
    let mut missing = Vec::new();
    if !is("NoNewPrivs", "1") {
        missing.push("a bar to new privileges");
    }
    if !is("Seccomp", "2") {
        missing.push("a filter of system calls");
    }
    if missing.is_empty() {
        let seen = "no root, no capability, no new privileges, system calls filtered";
        return Finding::new(NAME, State::Pass, seen);
    }
    let help = "run it as the service in systemd/, or in the container in deploy/";
    let seen = format!("no root and no capability, but without {}: {help}", missing.join(" and "));
    Finding::new(NAME, State::Warning, seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "Name:\tpicket-collecto\nPPid:\t1\nUid:\t998\t998\t998\t998\nCapEff:\t0000000000000000\n\
                           NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn a_service_is_confined_and_root_is_not() {
        assert_eq!(judge(SERVICE).state, State::Pass);
        assert_eq!(judge(&SERVICE.replace("Seccomp:\t2", "Seccomp:\t0")).state, State::Warning);
        assert_eq!(judge(&SERVICE.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0")).state, State::Warning);
        assert_eq!(judge(&SERVICE.replace("\t998\t998", "\t0\t0")).state, State::Fail);
        assert_eq!(
            judge(&SERVICE.replace("CapEff:\t0000000000000000", "CapEff:\t0000000000000400")).state,
            State::Fail
        );
    }
}
