//! What the system says of this process and of the disk below the data. What cannot be read is left out.

use std::path::Path;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeValLike;

/// Seconds of processor time used so far.
pub(super) fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds().saturating_add(usage.system_time().num_microseconds());
    Some(std::time::Duration::from_micros(u64::try_from(micros).ok()?).as_secs_f64())
}

/// Bytes of memory: resident, and reserved.
pub(super) fn memory_bytes() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib =
        |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    let (resident, all): (u64, u64) = (kib("VmRSS:")?, kib("VmSize:")?);
    Some((resident * 1024, all * 1024))
}

/// Open file descriptors, and how many there may be.
pub(super) fn descriptors() -> Option<(u64, u64)> {
    // The folder itself is open while it is read.
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    let (most, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    Some((u64::try_from(open).ok()?, most))
}

/// Bytes of the file system below a folder: free for this process, and in all.
pub(super) fn disk_bytes(folder: &Path) -> Option<(u64, u64)> {
    let stat = statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Some((bytes(stat.blocks_available()), bytes(stat.blocks())))
}

/// Bytes of the write-ahead log of the cluster in a data directory.
pub(super) fn wal_bytes(data_dir: &Path) -> Option<u64> {
    let files = std::fs::read_dir(data_dir.join("postgres/pg_wal")).ok()?.flatten();
    Some(files.filter_map(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file).map(|file| file.len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_measured() {
        assert!(cpu_seconds().is_some_and(|seconds| seconds > 0.0));
        let (resident, all) = memory_bytes().unwrap();
        assert!(resident > 1 << 20 && all >= resident);
        let (open, most) = descriptors().unwrap();
        assert!(open >= 3 && most >= open);
        let folder = tempfile::tempdir().unwrap();
        let (free, all) = disk_bytes(folder.path()).unwrap();
        assert!(free <= all && all > 0);
        assert!(wal_bytes(folder.path()).is_none());
        std::fs::create_dir_all(folder.path().join("postgres/pg_wal/archive_status")).unwrap();
        std::fs::write(folder.path().join("postgres/pg_wal/000000010000000000000001"), [0; 4096]).unwrap();
        assert_eq!(wal_bytes(folder.path()), Some(4096));
    }
}
