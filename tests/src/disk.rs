//! A disk of its own size, so that it can be full without harm to anyone else.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory; dropping it unmounts it.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts one of `mebibytes` at `path`, which is made.
    pub fn mount(path: &Path, mebibytes: u32) -> Self {
        unmount_left_overs();
        fs::create_dir_all(path).unwrap();
        let options = format!("size={mebibytes}m,mode=0755");
        let name = format!("{NAME}{}", std::process::id());
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &options, &name]).arg(path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "this test needs to mount a small disk and cannot: {said}");
        Self { path: path.to_owned() }
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.ballast()).unwrap();
        for piece in [1 << 20, 4096, 1] {
            let zeros = vec![0; piece];
            let full = loop {
                if let Err(error) = file.write_all(&zeros) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    /// Gives back what [`Disk::fill`] took.
    pub fn free(&self) {
        // A program that is just being started holds whatever file was open: removing alone gives nothing back then.
        File::create(self.ballast()).unwrap();
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

const NAME: &str = "picket-test-disk-";

fn unmount(path: &Path) {
    // Lazily: what still writes there is about to end.
    let _ = Command::new("umount").arg("--lazy").arg(path).status();
}

/// Unmounts the disks of earlier runs that were killed.
fn unmount_left_overs() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for (name, path) in mounts.lines().filter_map(|line| line.split_once(' ')) {
        let owner = name.strip_prefix(NAME).filter(|pid| !Path::new("/proc").join(pid).exists());
        if let (Some(_), Some(path)) = (owner, path.split(' ').next()) {
            unmount(Path::new(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_until_it_is_freed_and_gone_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small");
        let disk = Disk::mount(&path, 2);
        let write = || fs::write(path.join("file"), [1; 5000]).map_err(|error| error.kind());
        assert_eq!(write(), Ok(()));
        disk.fill();
        fs::remove_file(path.join("file")).unwrap();
        disk.fill();
        assert_eq!(write(), Err(ErrorKind::StorageFull));
        disk.free();
        assert_eq!(write(), Ok(()));
        drop(disk);
        assert!(!path.join("file").exists());
    }
}
