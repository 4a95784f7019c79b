//! Statelessness by the kernel: after this, no thread of the process can write to a file system or start a program.
//!
//! Landlock binds the calling thread and its children, so it comes before the runtime exists. There is no switch to
//! turn it off; where a kernel lacks a part, that is said and the rest holds. What is in force is tried, not assumed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus,
};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::{prctl, stat::Mode};
use nix::unistd::{Uid, User, geteuid, setgid, setgroups, setuid};
use picket_shared::batch::Confinement;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The users that a probe started as root becomes: the first that exists.
const UNPRIVILEGED: [&str; 2] = ["picket", "nobody"];

/// Becomes an unprivileged user for good, when started as root. Before any thread is made, after every file was read.
///
/// # Errors
/// When there is no such user or the system refuses; a probe never runs as root.
pub fn give_up_root() -> Result<(), String> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let user = UNPRIVILEGED.into_iter().find_map(|name| User::from_name(name).ok().flatten());
    let user = user.ok_or("started as root, and there is no user picket or nobody to become: make one")?;
    let become_it = || {
        setgroups(&[user.gid])?;
        setgid(user.gid)?;
        setuid(user.uid)
    };
    become_it().map_err(|errno| format!("cannot become the unprivileged user {}: {errno}", user.name))?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err(format!("became user {}, and could go back to root: refusing to run", user.name));
    }
    Ok(())
}

/// Gives up what a probe does not need. `readable` are the files that it may still read, beside the directory that
/// the machine's resolv.conf really lies in.
pub fn confine(readable: &[PathBuf]) -> Confinement {
    note("core dumps", setrlimit(Resource::RLIMIT_CORE, 0, 0));
    note("being readable by other processes", prctl::set_dumpable(false));
    note("new privileges", prctl::set_no_new_privs());
    let landlock_abi = landlock(readable).unwrap_or_else(|error| {
        tracing::warn!("Landlock cannot be put in force: {error}");
        0
    });
    if let Err(error) = seccomp() {
        tracing::warn!("The seccomp filter cannot be put in force: {error}");
    }
    Confinement {
        landlock_abi,
        seccomp: write_is_refused_by_seccomp(),
        no_new_privileges: prctl::get_no_new_privs().unwrap_or(false),
        no_core_dumps: getrlimit(Resource::RLIMIT_CORE).is_ok_and(|(soft, hard)| soft == 0 && hard == 0)
            && prctl::get_dumpable().is_ok_and(|dumpable| !dumpable),
    }
}

/// One sentence for the log: what holds.
pub fn describe(confinement: &Confinement) -> String {
    let yes = |holds: bool| if holds { "yes" } else { "NO" };
    format!(
        "Landlock {}, seccomp {}, no new privileges {}, no core dumps {}",
        if confinement.landlock_abi == 0 { "NO".to_owned() } else { format!("ABI {}", confinement.landlock_abi) },
        yes(confinement.seccomp),
        yes(confinement.no_new_privileges),
        yes(confinement.no_core_dumps)
    )
}

/// Whether everything that was asked for is in force.
pub fn is_whole(confinement: &Confinement) -> bool {
    let Confinement { landlock_abi, seccomp, no_new_privileges, no_core_dumps } = confinement;
    *landlock_abi > 0 && *seccomp && *no_new_privileges && *no_core_dumps
}

/// Something that a confined process must not manage.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What was tried.
    pub what: &'static str,
    /// Whether the kernel refused it.
    pub refused: bool,
}

/// Tries what must fail, on the calling thread. Where it does not fail, it does no harm.
pub fn attempts() -> Vec<Attempt> {
    let denied = |error: Errno| matches!(error, Errno::EPERM | Errno::EACCES | Errno::ENOSYS);
    let nothing = Path::new("/tmp/picket-probe-must-not-be-able-to-write-this");
    let writable = open(nothing, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, Mode::S_IRUSR);
    if writable.is_ok() {
        nix::unistd::unlink(nothing).ok();
    }
    let program = std::process::Command::new("/bin/true").status();
    [
        ("creating a file", writable.err().is_some_and(denied)),
        ("opening a file for writing", open("/dev/null", OFlag::O_RDWR, Mode::empty()).err().is_some_and(denied)),
        ("truncating a file", nix::unistd::truncate(nothing, 0).err().is_some_and(denied)),
        ("removing a file", nix::unistd::unlink(nothing).err().is_some_and(denied)),
        (
            "renaming a file",
            nix::fcntl::renameat(nix::fcntl::AT_FDCWD, nothing, nix::fcntl::AT_FDCWD, nothing)
                .err()
                .is_some_and(denied),
        ),
        ("making a directory", nix::unistd::mkdir("/proc/none/x", Mode::S_IRWXU).err().is_some_and(denied)),
        ("reading any other file", open("/proc/self/status", OFlag::O_RDONLY, Mode::empty()).err().is_some_and(denied)),
        ("starting a program", program.is_err()),
    ]
    .into_iter()
    .map(|(what, refused)| Attempt { what, refused })
    .collect()
}

fn note(what: &str, result: nix::Result<()>) {
    if let Err(error) = result {
        tracing::warn!("The kernel does not let the probe give up {what}: {error}");
    }
}

/// No write anywhere, reads of these only. Gives the ABI in force, 0 for none.
fn landlock(readable: &[PathBuf]) -> Result<u32, RulesetError> {
    let newest = ABI::V6;
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(newest))?.create()?;
    let resolver_directory = Path::new("/etc/resolv.conf").canonicalize().ok();
    let resolver_directory = resolver_directory.as_deref().and_then(Path::parent);
    for path in readable.iter().map(PathBuf::as_path).chain(resolver_directory) {
        let access = if path.is_dir() { AccessFs::ReadFile | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
        match PathFd::new(path) {
            Ok(descriptor) => ruleset = ruleset.add_rule(PathBeneath::new(descriptor, access))?,
            Err(error) => tracing::warn!("{} will not be readable again: {error}", path.display()),
        }
    }
    let status = ruleset.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => u32::try_from(effective_abi as i32).unwrap_or(0),
        _ => 0,
    })
}

/// Two filters, because one has one answer for all that it denies: "not permitted", and "no such call" for calls whose
/// arguments lie in memory that a filter cannot read and that have an older form to fall back to.
fn seccomp() -> Result<(), Box<dyn std::error::Error>> {
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    denied.insert(libc::SYS_openat, writing_flags(2)?);
    #[cfg(target_arch = "x86_64")]
    denied.insert(libc::SYS_open, writing_flags(1)?);
    denied.insert(libc::SYS_clone, NAMESPACES.iter().map(|flag| flagged(0, *flag, *flag)).collect::<Result<_, _>>()?);
    let unknown = UNKNOWN.iter().map(|call| (*call, Vec::new())).collect();
    for (calls, errno) in [(denied, libc::EPERM), (unknown, libc::ENOSYS)] {
        let answer = SeccompAction::Errno(u32::try_from(errno)?);
        let filter = SeccompFilter::new(calls, SeccompAction::Allow, answer, std::env::consts::ARCH.try_into()?)?;
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

/// Opening with any of these flags is opening for writing.
fn writing_flags(argument: u8) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    [
        (libc::O_ACCMODE, libc::O_WRONLY),
        (libc::O_ACCMODE, libc::O_RDWR),
        // Access mode 3 asks for both rights and gives a descriptor for device controls.
        (libc::O_ACCMODE, libc::O_ACCMODE),
        (libc::O_CREAT, libc::O_CREAT),
        (libc::O_TRUNC, libc::O_TRUNC),
        (libc::O_APPEND, libc::O_APPEND),
        (libc::O_TMPFILE, libc::O_TMPFILE),
    ]
    .into_iter()
    .map(|(mask, value)| flagged(argument, mask, value))
    .collect()
}

/// Meets a call whose argument has these bits under this mask.
fn flagged(argument: u8, mask: i32, value: i32) -> Result<SeccompRule, seccompiler::BackendError> {
    let bits = |number: i32| u64::from(number.cast_unsigned());
    let operator = SeccompCmpOp::MaskedEq(bits(mask));
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, bits(value))?])
}

/// A thread or process in a namespace of its own would have rights there that it has not here.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// The filter answers before Landlock is asked, so its own errno shows that it is in force.
fn write_is_refused_by_seccomp() -> bool {
    open("/dev/null", OFlag::O_WRONLY, Mode::empty()).err() == Some(Errno::EPERM)
}

/// Their flags lie in memory, or they would go around the filter; all have an older form or are not needed.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_memfd_create,
];

/// Writing, starting programs, changing the machine, looking into other processes.
const DENIED: &[i64] = &[
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_acct,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];
