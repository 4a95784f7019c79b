//! The unprivileged user that owns the data. PostgreSQL refuses to run as root, and so does Picket.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Gid, Uid, User, chown, geteuid, setgid, setgroups, setuid};

use super::PostgresError;

/// The user that the collector makes for itself.
pub const USER: &str = "picket";
/// Where the data goes when the configured place is closed to that user.
const HOME: &str = "/var/lib/picket";
/// Where users are listed; locked while one is made.
const USERS: &str = "/etc";

/// Whether this process has root's rights.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The user that owns the data: `picket`, made if need be.
///
/// # Errors
/// When it does not exist and cannot be made.
pub fn user() -> Result<User, PostgresError> {
    let failed = |reason: String| PostgresError::Owner { user: USER.to_owned(), reason };
    let find = || User::from_name(USER).map_err(|error| failed(error.to_string()));
    if let Some(user) = find()? {
        return Ok(user);
    }
    // `useradd` of several collectors at once can each make the user, and only one of them lasts.
    let _one_at_a_time =
        lock(Path::new(USERS)).map_err(|error| failed(format!("{USERS} cannot be locked: {error}")))?;
    if let Some(user) = find()? {
        return Ok(user);
    }
    let made = Command::new("useradd")
        .args([
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            HOME,
            "--shell",
            "/usr/sbin/nologin",
            USER,
        ])
        .output()
        .map_err(|error| failed(format!("`useradd` cannot be run ({error}): make a system user named {USER}")))?;
    if !made.status.success() {
        return Err(failed(format!("`useradd` said: {}", String::from_utf8_lossy(&made.stderr).trim())));
    }
    find()?.ok_or_else(|| failed("`useradd` made no such user".to_owned()))
}

/// Waits until nobody else holds the lock of this folder; it ends with the value, or with the process.
fn lock(folder: &Path) -> std::io::Result<File> {
    let handle = File::open(folder)?;
    handle.lock()?;
    Ok(handle)
}

/// Where the data can lie: as configured if that user can reach it, else under /var/lib/picket.
pub fn reachable(configured: &Path, user: &User) -> PathBuf {
    let absolute = std::path::absolute(configured).unwrap_or_else(|_| configured.to_owned());
    let closed = absolute.ancestors().skip(1).filter(|folder| folder.exists()).any(|folder| !may_enter(folder, user));
    if !closed {
        return absolute;
    }
    let name = absolute.file_name().map_or_else(|| PathBuf::from("data"), PathBuf::from);
    Path::new(HOME).join(name)
}

fn may_enter(folder: &Path, user: &User) -> bool {
    let Ok(metadata) = std::fs::metadata(folder) else { return false };
    let mode = metadata.permissions().mode();
    let bit = if metadata.uid() == user.uid.as_raw() {
        0o100
    } else if metadata.gid() == user.gid.as_raw() {
        0o010
    } else {
        0o001
    };
    mode & bit != 0
}

/// Makes a directory (mode 0700) that belongs to that user, and its missing parents.
///
/// # Errors
/// When it cannot be made, or belongs to another user and is not empty.
pub fn make_directory(directory: &Path, user: &User) -> Result<(), PostgresError> {
    let failed = |error| PostgresError::File { path: directory.to_owned(), error };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let metadata = std::fs::metadata(directory).map_err(failed)?;
    if metadata.uid() == user.uid.as_raw() {
        return Ok(());
    }
    let empty = std::fs::read_dir(directory).map_err(failed)?.next().is_none();
    if !empty {
        return Err(PostgresError::Owner {
            user: user.name.clone(),
            reason: format!(
                "{} belongs to another user and is not empty: run as that user, or name an empty folder",
                directory.display()
            ),
        });
    }
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    chown(directory, Some(user.uid), Some(user.gid)).map_err(|errno| failed(errno.into()))
}

/// Becomes that user for good. Before any thread is made.
///
/// # Errors
/// When the system refuses.
pub fn become_user(user: &User) -> Result<(), PostgresError> {
    let failed = |errno: nix::errno::Errno| PostgresError::Owner { user: user.name.clone(), reason: errno.to_string() };
    setgroups(&[user.gid]).map_err(failed)?;
    setgid(user.gid).map_err(failed)?;
    setuid(user.uid).map_err(failed)?;
    // Going back must be impossible, or nothing was given up.
    if setuid(Uid::from_raw(0)).is_ok() || setgid(Gid::from_raw(0)).is_ok() {
        return Err(failed(nix::errno::Errno::EPERM));
    }
    Ok(())
}
