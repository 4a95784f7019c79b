//! What programs use, read from `/proc`: processor time and memory.

use std::collections::HashMap;
use std::fs;

use nix::unistd::Pid;

/// Ticks a second in `/proc/<pid>/stat`: 100 on every Linux that runs Picket.
const TICK_US: u64 = 10_000;

/// Processor time of one process and of its children that have ended, in microseconds.
pub(crate) fn cpu_us(pid: Pid) -> u64 {
    read_stat(pid.as_raw()).map_or(0, |stat| stat.cpu_us)
}

/// Processor time of a process and of all that it started, in microseconds.
pub(crate) fn tree_cpu_us(root: Pid) -> u64 {
    let mut children: HashMap<i32, Vec<(i32, u64)>> = HashMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while this reads.
        if let Some(stat) = read_stat(pid) {
            children.entry(stat.parent).or_default().push((pid, stat.cpu_us));
        }
    }
    let mut sum = cpu_us(root);
    let mut open = vec![root.as_raw()];
    while let Some(pid) = open.pop() {
        for (child, cpu_us) in children.remove(&pid).into_iter().flatten() {
            sum += cpu_us;
            open.push(child);
        }
    }
    sum
}

/// Resident memory now (`VmRSS`) or at most (`VmHWM`), in MiB.
pub(crate) fn memory_mib(pid: Pid, key: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

struct Stat {
    parent: i32,
    cpu_us: u64,
}

fn read_stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields after it are counted from the third.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: u64 = fields[11..15].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Stat { parent: fields[1].parse().ok()?, cpu_us: ticks * TICK_US })
}
