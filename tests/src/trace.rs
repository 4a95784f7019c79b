//! What a program asks of the kernel, by strace: every call that could change a file, from its start on.

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
    /// not standard output or error.
    pub fn writes_a_file(&self) -> bool {
        let target = match self.name.as_str() {
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "sendfile" | "ftruncate" | "fallocate" => 0,
            "copy_file_range" | "splice" => 2,
            _ => return false,
        };
        let arguments = self.line.split_once('(').map_or("", |(_, arguments)| arguments);
        let Some(argument) = arguments.split(", ").nth(target) else { return true };
        let (number, what) = argument.split_once('<').unwrap_or((argument, ""));
        let kernels_own = ["socket:", "TCP:", "UDP:", "UNIX", "pipe:", "anon_inode:"];
        let is_log = matches!(number, "1" | "2");
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
        // dash writes by descriptor 1, which it has moved to the file: the name tells.
        assert!(
            calls().any(|call| call.name == "write" && call.line.contains(written.to_str().unwrap())),
            "{lines:#?}"
        );
        let tried: Vec<String> = calls().filter(Call::changes_files).map(|call| call.name).collect();
        for name in ["execve", "openat", "ftruncate"] {
            assert!(tried.iter().any(|tried| tried == name), "{name}: {tried:?}");
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
        assert!(call(r#"write(3</tmp/x>, "a", 1) = 1"#).writes_a_file());
        assert!(call(r#"write(3, "a", 1) = 1"#).writes_a_file());
        for line in [
            r#"write(2</var/log/x>, "a", 1) = 1"#,
            r#"write(9<TCP:[1.2.3.4:5->6.7.8.9:10]>, "a", 1) = 1"#,
            r#"writev(9<socket:[123]>, [{iov_base="a", iov_len=1}], 1 <unfinished ...>"#,
        ] {
            assert!(!call(line).writes_a_file(), "{line}");
        }
        assert_eq!(Call::read("4711  +++ exited with 0 +++"), None);
        assert_eq!(Call::read("4711  <... write resumed>) = 8"), None);
    }
}
