//! What the process itself costs, under the names that Prometheus' own client libraries use.

use std::fmt::Write;
use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// Adds memory and processor time, where the system tells them.
pub(super) fn write(text: &mut String) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    family(text, "process_cpu_seconds_total", "counter", "Processor time spent.", seconds);
    if let Some(bytes) = resident() {
        family(text, "process_resident_memory_bytes", "gauge", "Resident memory.", bytes as f64);
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    // Writing to a String does not fail.
    let _never = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
