//! The clock of one machine, in the hands of a test: programs of a place that has one read it instead of the real clock,
//! and it can be set while they run.
//!
//! A small library that is loaded before the program's own (`LD_PRELOAD`) answers for the time of day and adds what stands in
//! eight bytes of a file. It maps them before `main` begins, so that a probe, which can open nothing later, sees changes too.
//! The monotonic clock is left alone, as nobody can set it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("PICKET_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) ahead = page;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
    int result = syscall(SYS_clock_gettime, id, ts);
    if (result == 0 && ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t us = *ahead, nanos = ts->tv_nsec + (us % 1000000) * 1000;
        ts->tv_sec += us / 1000000;
        if (nanos < 0) { nanos += 1000000000; ts->tv_sec -= 1; }
        if (nanos >= 1000000000) { nanos -= 1000000000; ts->tv_sec += 1; }
        ts->tv_nsec = nanos;
    }
    return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (tv) { tv->tv_sec = ts.tv_sec; tv->tv_usec = ts.tv_nsec / 1000; }
    return 0;
}

time_t time(time_t *out) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (out) *out = ts.tv_sec;
    return ts.tv_sec;
}
"#;

/// One machine's clock.
#[derive(Clone, Debug)]
pub struct MachineClock {
    library: PathBuf,
    file: PathBuf,
}

impl MachineClock {
    /// A right one; its files lie in `folder` under `name`.
    pub fn new(folder: &Path, name: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        if !library.exists() {
            fs::write(&source, SOURCE).unwrap();
            let mut command = Command::new("cc");
            command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
            let output = command.output().expect("`cc` is missing: install build-essential, or run tests/run");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let clock = Self { library, file: folder.join(name) };
        fs::write(&clock.file, 0_i64.to_ne_bytes()).unwrap();
        clock
    }

    /// Sets it so many seconds ahead of the right time; behind it, if they are negative.
    pub fn set_ahead(&self, seconds: i64) {
        let file = File::options().write(true).open(&self.file).unwrap();
        file.write_all_at(&(seconds * 1_000_000).to_ne_bytes(), 0).unwrap();
    }

    /// How many seconds ahead of the right time it is.
    pub fn ahead(&self) -> i64 {
        i64::from_ne_bytes(fs::read(&self.file).unwrap().try_into().unwrap()) / 1_000_000
    }

    /// Lets a program go by it, and whatever that starts.
    pub fn rules(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("PICKET_TEST_CLOCK", &self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_goes_by_the_clock_of_its_machine() {
        let folder = tempfile::tempdir().unwrap();
        let clock = MachineClock::new(folder.path(), "eu");
        let asked = |ahead| {
            clock.set_ahead(ahead);
            let mut command = Command::new("date");
            clock.rules(command.arg("+%s"));
            let output = command.output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<i64>().unwrap()
        };
        let now = asked(0);
        assert!((asked(86_400) - now - 86_400).abs() < 60 && (asked(-300) - now + 300).abs() < 60);
        assert_eq!(clock.ahead(), -300);
    }
}
