//! pgBackRest beside Picket's archive of one cluster, as its peer: whatever PostgreSQL hands over goes to both.
//!
//! The collector starts PostgreSQL by programs of ours (`[database] binaries_dir`), of which `postgres` is a script: it runs the real
//! one, and puts [`HAND_OVER`] in front of the collector's own `archive_command`, with which nothing else happens.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::User;
use picket_collector::postgres::managed::Layout;
use picket_collector::postgres::owner;
use picket_collector::postgres::programs::Programs;
use picket_shared::time::Timestamp;

use crate::collector::Collector;
use crate::postgres::Postgres;
use crate::process::Process;

/// What is to be there.
const PROGRAM: &str = "/usr/bin/pgbackrest";
const STANZA: &str = "--stanza=picket";

/// Hands a file to both, each first every other time, and notes how long each took, in microseconds.
const HAND_OVER: &str = r#"#!/bin/bash
set -u
export LC_ALL=C
folder=$1 path=$2
shift 2
timed() {
    local who=$1 began=${EPOCHREALTIME/./}
    shift
    "$@" || exit 1
    echo "${path##*/} $who $((${EPOCHREALTIME/./} - began))" >>"$folder/times"
}
peer() { timed pgbackrest pgbackrest --config="$folder/pgbackrest.conf" --stanza=picket archive-push "$path"; }
case $path in
*[02468ACE]) timed picket "$@" && peer ;;
*) peer && timed picket "$@" ;;
esac
"#;

/// pgBackRest with its own repository; its settings, programs and repository lie in one folder.
#[derive(Debug)]
pub struct PgBackRest {
    folder: PathBuf,
    user: Option<User>,
}

/// How long one of both took to archive a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The file.
    pub file: String,
    /// Who: `picket` or `pgbackrest`.
    pub to: String,
    /// How long, the start of the program included.
    pub took: Duration,
}

impl PgBackRest {
    /// Makes it for the cluster of a collector with that data directory, which runs and does not archive yet.
    pub fn beside(data: &Path, folder: &Path) -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: install pgbackrest, or run tests/run");
        let user = owner::is_root().then(|| owner::user().unwrap());
        let peer = Self { folder: folder.to_owned(), user };
        for name in ["", "repository", "lock", "spool", "programs"] {
            peer.make_folder(&folder.join(name));
        }
        let layout = Layout::of(data);
        fs::write(folder.join("pgbackrest.conf"), peer.settings(&layout)).unwrap();
        peer.write_program(&folder.join("hand-over"), HAND_OVER);
        peer.make_programs(&layout);
        peer.run(&["stanza-create"]);
        peer
    }

    /// Has the collector archive by these settings (of `[archive]`), and pgBackRest beside it.
    pub fn begins(&self, collector: &mut Collector, archive: &str) {
        let programs = format!("[database]\nbinaries_dir = \"{}\"\n", self.folder.join("programs").display());
        collector.is_told("[database]\n", &programs);
        collector.restarts_with("[log]\n", &format!("[archive]\n{archive}[log]\n"));
    }

    /// Takes a whole base backup.
    pub fn backup(&self) {
        self.run(&["--type=full", "backup"]);
    }

    /// Puts a copy below `data`, as a collector's data lies there, that recovers to that time as soon as it is started, or as far as
    /// there is WAL.
    pub fn restore(&self, to: Option<Timestamp>, data: &Path) {
        let layout = Layout::of(data);
        for folder in [data, &layout.pgdata(), &layout.socket_directory()] {
            self.make_folder(folder);
        }
        let place = format!("--pg1-path={}", layout.pgdata().display());
        let mut arguments = vec![place, "--archive-mode=off".to_owned()];
        if let Some(to) = to {
            let time = to.exact().replace('T', " ").replace('Z', "+00");
            arguments.extend(["--type=time", "--target-action=promote"].map(str::to_owned));
            arguments.push(format!("--target={time}"));
        }
        arguments.push("restore".to_owned());
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Starts a server on a copy, which archives nothing and listens to nobody else, and waits until it has recovered.
    pub fn start_copy(&self, data: &Path) -> (Process, Postgres) {
        let layout = Layout::of(data);
        let mut command = self.as_owner(&programs(&layout).join("postgres"));
        command.arg("-D").arg(layout.pgdata()).arg("-k").arg(layout.socket_directory());
        for setting in ["listen_addresses=", "archive_mode=off", "hot_standby=off", "recovery_prefetch=off"] {
            command.arg("-c").arg(setting);
        }
        command.args(["-c", "logging_collector=off", "-c", "shared_buffers=256MB"]);
        let mut process = Process::start("postgres", command, &data.join("copy.log"));
        let postgres = Postgres::of(data);
        loop {
            assert!(process.runs(), "the copy in {} ended: {}", data.display(), process.log());
            match postgres.run("SELECT pg_is_in_recovery()").as_deref() {
                Ok("f") => return (process, postgres),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// What was handed over so far, in order.
    pub fn handed(&self) -> Vec<Handed> {
        let text = fs::read_to_string(self.folder.join("times")).unwrap_or_default();
        let line = |line: &str| {
            let parts: Vec<&str> = line.split(' ').collect();
            let took = Duration::from_micros(parts[2].parse().unwrap());
            Handed { file: parts[0].to_owned(), to: parts[1].to_owned(), took }
        };
        text.lines().map(line).collect()
    }

    /// Bytes of its repository.
    pub fn stored_bytes(&self) -> u64 {
        fn below(folder: &Path) -> u64 {
            let entries = fs::read_dir(folder).unwrap().flatten();
            entries
                .map(|entry| if entry.path().is_dir() { below(&entry.path()) } else { entry.metadata().unwrap().len() })
                .sum()
        }
        below(&self.folder.join("repository/backup"))
    }

    /// Runs a command of it that must succeed.
    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let mut command = self.as_owner(Path::new(PROGRAM));
        command.arg(format!("--config={}", self.folder.join("pgbackrest.conf").display())).arg(STANZA).args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "pgbackrest {arguments:?}: {output:?}");
    }

    /// A program run by who owns the data: neither PostgreSQL nor what reads its files runs as root.
    fn as_owner(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C").current_dir(&self.folder);
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// As Picket's own archive is made: zstd of level 3, and encrypted.
    fn settings(&self, layout: &Layout) -> String {
        let folder = self.folder.display();
        format!(
            "[global]\nrepo1-path={folder}/repository\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=of-no-worth\n\
             repo1-retention-full=99\ncompress-type=zst\ncompress-level=3\nprocess-max=2\nstart-fast=y\n\
             log-level-console=warn\nlog-level-file=off\nlock-path={folder}/lock\nspool-path={folder}/spool\n\
             [picket]\npg1-path={}\npg1-socket-path={}\npg1-user=postgres\n",
            layout.pgdata().display(),
            layout.socket_directory().display()
        )
    }

    fn make_programs(&self, layout: &Layout) {
        let (real, ours) = (programs(layout), self.folder.join("programs"));
        for entry in fs::read_dir(&real).unwrap().flatten().filter(|entry| entry.file_name() != "postgres") {
            symlink(entry.path(), ours.join(entry.file_name())).unwrap();
        }
        let script = format!(
            "#!/bin/bash\nwords=()\nfor word; do\n    [[ $word != archive_command=* ]] ||\n        \
             word=\"archive_command='{0}/hand-over' '{0}' %p ${{word#*=}}\"\n    words+=(\"$word\")\ndone\n\
             exec '{1}/postgres' \"${{words[@]}}\"\n",
            self.folder.display(),
            real.display()
        );
        self.write_program(&ours.join("postgres"), &script);
    }

    fn write_program(&self, path: &Path, text: &str) {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn make_folder(&self, folder: &Path) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).unwrap();
        if let Some(user) = &self.user {
            chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
    }
}

/// Where PostgreSQL's own programs lie.
fn programs(layout: &Layout) -> PathBuf {
    Programs::find(None, &layout.pgdata()).unwrap().path("")
}
