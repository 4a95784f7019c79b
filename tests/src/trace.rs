//! What a program asks of the kernel, by strace: every call that could change a file, from its start on. Calls can be made to fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::net::Place;
use crate::wait;

/// Calls that could change a file, start a program, or make a way around the others; sockets' own calls are not among them.
const CALLS: &str = "open,openat,openat2,creat,open_by_handle_at,execve,execveat,truncate,ftruncate,fallocate,write,writev,\
    pwrite64,pwritev,pwritev2,sendfile,copy_file_range,splice,tee,vmsplice,rename,renameat,renameat2,link,linkat,\
    symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,mknod,mknodat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,\
    utime,utimes,utimensat,futimesat,setxattr,fsetxattr,lsetxattr,memfd_create,io_uring_setup,mmap,seccomp";

/// Runs `program` under strace, which writes into `file`. The program is the child itself, strace a process beside it that
/// ends with it; so signals and exit codes are the program's.
pub fn command(place: &Place, file: &Path, program: &Path) -> Command {
    let mut command = place.command("/usr/bin/strace");
    // `-y` names what a descriptor is; 40 bytes of each text are enough to know a path by.
    command.args(["-D", "-f", "-y", "-s", "40", "-e", "signal=none", "-e", &format!("trace={CALLS}"), "-o"]);
    command.arg(file).arg("--").arg(program);
    command
}

/// Calls by which files are written, put into place and taken away.
const OF_FILES: &str =
    "openat,write,fsync,fdatasync,link,linkat,unlink,unlinkat,mkdir,mkdirat,rename,renameat,renameat2,ftruncate,flock";

/// A call that fails and is not made: the one of that number in each thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Which call.
    pub call: String,
    /// The first is 1.
    pub number: usize,
    /// The error, as `EIO`.
    pub error: &'static str,
}

/// strace, which writes calls of files into `file` and lets one fail. What is traced follows, after `--` or `-p`; programs that it starts
/// are let go.
pub fn failing(file: &Path, failing: Option<&Failing>) -> Command {
    let mut command = Command::new("/usr/bin/strace");
    command.args(["-f", "-b", "execve", "-y", "-s", "16", "-e", "signal=none", "-e", &format!("trace={OF_FILES}")]);
    if let Some(Failing { call, number, error }) = failing {
        command.args(["-e", &format!("inject={call}:error={error}:when={number}")]);
    }
    command.arg("-o").arg(file);
    command
}

/// A call as it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which thread made it.
    pub thread: u32,
    /// Which call.
    pub name: String,
    /// Its arguments and what was answered.
    pub text: String,
    /// Whether it did what was asked.
    pub worked: bool,
}

impl Ended {
    /// Whether it was made to fail.
    pub fn is_injected(&self) -> bool {
        self.text.contains("(INJECTED)")
    }

    /// The first path that it names, or the file of its descriptor.
    pub fn path(&self) -> &str {
        let of_descriptor = matches!(self.name.as_str(), "write" | "fsync" | "fdatasync" | "ftruncate" | "flock");
        if of_descriptor { self.descriptor() } else { self.named(0) }.unwrap_or_default()
    }

    /// A path that it names.
    pub fn named(&self, which: usize) -> Option<&str> {
        self.text.split('"').nth(2 * which + 1)
    }

    fn descriptor(&self) -> Option<&str> {
        Some(self.text.split_once('<')?.1.split_once('>')?.0)
    }
}

/// Reads a trace, in the order in which calls ended.
pub fn ended(trace: &str) -> Vec<Ended> {
    let (mut begun, mut found) = (BTreeMap::new(), Vec::new());
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let (Ok(thread), rest) = (thread.parse::<u32>(), rest.trim_start()) else { continue };
        let whole = if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, begin.to_owned());
            continue;
        } else if rest.starts_with("<... ") {
            let Some((begin, (_, end))) = begun.remove(&thread).zip(rest.split_once(" resumed>")) else { continue };
            begin + end
        } else {
            rest.to_owned()
        };
        let Some((name, text)) = whole.split_once('(') else { continue };
        let Some((_, answer)) = text.rsplit_once(" = ") else { continue };
        let worked = !answer.starts_with('-') && !answer.starts_with('?');
        found.push(Ended { thread, name: name.to_owned(), text: text.to_owned(), worked });
    }
    found
}

/// What was made below `root` and may be gone after the machine lost its power: a file that has a name and was not flushed before, a name
/// that came or went without a flush of its folder. A sentence each.
pub fn not_flushed(calls: &[Ended], root: &Path) -> Vec<String> {
    let flushed = |calls: &[Ended], path: &Path| {
        calls.iter().any(|call| call.name == "fsync" && call.worked && Path::new(call.path()) == path)
    };
    let mut found = Vec::new();
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.worked) {
        let (before, after) = calls.split_at(at);
        let (file, name) = match call.name.as_str() {
            "link" | "linkat" | "rename" | "renameat" | "renameat2" => (call.named(0), call.named(1)),
            "mkdir" | "mkdirat" => (None, call.named(0)),
            _ => continue,
        };
        let Some(name) = name.map(Path::new).filter(|name| name.starts_with(root)) else { continue };
        if let Some(file) = file.filter(|file| !flushed(before, Path::new(file))) {
            found.push(format!("{file} was not flushed before it became {}", name.display()));
        }
        if !flushed(after, name.parent().unwrap_or(root)) {
            found.push(format!("{} was not flushed into its folder", name.display()));
        }
    }
    found
}

/// The lines of a trace, when its program has ended: strace writes the last of them a moment later.
#[track_caller]
pub fn finished(file: &Path) -> Vec<String> {
    wait::until("the end of the trace", Duration::from_secs(30), || {
        let lines: Vec<String> = fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect();
        match lines.last() {
            Some(last) if last.contains("+++ exited with ") => Ok(lines),
            last => Err(last.cloned()),
        }
    })
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which call.
    pub name: String,
    /// The whole line.
    pub line: String,
}

impl Call {
    /// Reads `PID name(arguments) = result`; nothing of a line that says how a call or a thread ended. A call that was
    /// interrupted by another thread's has all its arguments in its first line.
    pub fn read(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(' ')?;
        let rest = rest.trim_start();
        let (name, _) = rest.split_once('(')?;
        let known = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        known.then(|| Self { name: name.to_owned(), line: rest.to_owned() })
    }

    /// Whether it puts bytes into a file: into whatever is not a socket, a pipe, or the kernel's own kind of object, and
    /// not `log`, where its standard output and error go.
    pub fn writes_a_file(&self, log: &Path) -> bool {
        let target = match self.name.as_str() {
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "sendfile" | "ftruncate" | "fallocate" => 0,
            "copy_file_range" | "splice" => 2,
            _ => return false,
        };
        let arguments = self.line.split_once('(').map_or("", |(_, arguments)| arguments);
        let Some(argument) = arguments.split(", ").nth(target) else { return true };
        let (number, what) = argument.split_once('<').unwrap_or((argument, ""));
        let kernels_own = ["socket:", "TCP:", "UDP:", "UNIX", "pipe:", "anon_inode:"];
        let is_log = matches!(number, "1" | "2") && what.strip_suffix('>').is_some_and(|name| Path::new(name) == log);
        !is_log && !kernels_own.iter().any(|kind| what.starts_with(kind))
    }

    /// Whether it asks for a change of files, or to start a program, whatever the kernel answers.
    pub fn changes_files(&self) -> bool {
        match self.name.as_str() {
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "sendfile" | "splice" | "seccomp" => false,
            "open" | "openat" | "openat2" => ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"]
                .iter()
                .any(|flag| self.line.contains(flag)),
            // A private mapping changes memory alone.
            "mmap" => {
                self.line.contains("MAP_SHARED")
                    && self.line.contains("PROT_WRITE")
                    && !self.line.contains("MAP_ANONYMOUS")
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Call {
        Call::read(&format!("4711  {line}")).unwrap()
    }

    #[test]
    fn a_program_that_writes_starts_another_and_cuts_off_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let (file, written) = (folder.path().join("trace"), folder.path().join("written"));
        let mut command = command(&Place::here(), &file, Path::new("/bin/sh"));
        command.arg("-c").arg(format!("echo x >{0}; /usr/bin/truncate -s 0 {0}; exit 0", written.display()));
        assert!(command.status().unwrap().success());
        let lines = finished(&file);
        let calls = || lines.iter().filter_map(|line| Call::read(line));
        // The shell writes by descriptor 1, which it has moved to the file.
        assert!(calls().any(|call| call.writes_a_file(Path::new("/nowhere"))), "{lines:#?}");
        let tried: Vec<String> = calls().filter(Call::changes_files).map(|call| call.name).collect();
        for name in ["execve", "openat", "ftruncate"] {
            assert!(tried.iter().any(|tried| tried == name), "{name}: {tried:?}");
        }
    }

    #[test]
    fn what_was_not_flushed_is_found_out() {
        let line = |rest: &str| format!("4711  {rest}\n");
        let good = [
            r#"mkdir("/a/b", 0700) = 0"#,
            r"fsync(3</a>) = 0",
            r"fsync(4</a/.new-1> <unfinished ...>",
            r"<... fsync resumed>)        = 0",
            r#"linkat(AT_FDCWD</>, "/a/.new-1", AT_FDCWD</>, "/a/b/c", 0) = 0"#,
            r"fsync(5</a/b>) = 0",
        ];
        let text = |lines: &[&str]| lines.iter().map(|rest| line(rest)).collect::<String>();
        let root = Path::new("/a");
        assert_eq!(not_flushed(&ended(&text(&good)), root), Vec::<String>::new());
        assert_eq!(ended(&text(&good)).len(), 5);
        for (at, failed, said) in [
            (1, r"fsync(3</a>) = -1 EIO (Input/output error) (INJECTED)", "/a/b was not flushed into"),
            (3, r"<... fsync resumed>) = -1 ENOSPC (No space left on device)", "/a/.new-1 was not flushed before"),
            (5, r"fsync(5</a/b/x>) = 0", "/a/b/c was not flushed into"),
        ] {
            let mut lines = good;
            lines[at] = failed;
            let calls = ended(&text(&lines));
            assert_eq!(calls.iter().filter(|call| call.is_injected()).count(), usize::from(at == 1));
            let found = not_flushed(&calls, root);
            assert!(found.len() == 1 && found[0].contains(said), "{found:?}");
        }
    }

    #[test]
    fn what_changes_a_file_is_told_from_what_does_not() {
        for line in [
            r#"openat(AT_FDCWD</tmp>, "/tmp/x", O_WRONLY|O_CREAT, 0644) = -1 EPERM (Operation not permitted)"#,
            r#"execve("/bin/true", ["true"], 0x7ffd /* 3 vars */) = 0"#,
            r#"truncate("/tmp/x", 0 <unfinished ...>"#,
            r"mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3</tmp/x>, 0) = 0x7f",
        ] {
            assert!(call(line).changes_files(), "{line}");
        }
        for line in [
            r#"openat(AT_FDCWD</tmp>, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3</etc/hosts>"#,
            r"mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f",
            r#"write(4<anon_inode:[eventfd]>, "\1", 8) = 8"#,
        ] {
            assert!(!call(line).changes_files(), "{line}");
        }
        let log = Path::new("/var/log/x");
        for line in [
            r#"write(3</tmp/x>, "a", 1) = 1"#,
            r#"write(3, "a", 1) = 1"#,
            r#"write(2</tmp/x>, "a", 1) = 1"#,
            r#"write(3</var/log/x>, "a", 1) = 1"#,
        ] {
            assert!(call(line).writes_a_file(log), "{line}");
        }
        for line in [
            r#"write(2</var/log/x>, "a", 1) = 1"#,
            r#"write(9<TCP:[1.2.3.4:5->6.7.8.9:10]>, "a", 1) = 1"#,
            r#"writev(9<socket:[123]>, [{iov_base="a", iov_len=1}], 1 <unfinished ...>"#,
        ] {
            assert!(!call(line).writes_a_file(log), "{line}");
        }
        assert_eq!(Call::read("4711  +++ exited with 0 +++"), None);
        assert_eq!(Call::read("4711  <... write resumed>) = 8"), None);
    }
}
