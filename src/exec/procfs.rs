//! Who else is running, where the system tells it in files (Linux); elsewhere nobody is found.

use std::fs;

use rustix::process::{Pid, getpid};

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relations {
    /// The number of its parent.
    pub parent: i32,
    /// The number of its session.
    pub session: i32,
}

/// The processes that are so related and have not ended.
pub(super) fn processes(wanted: impl Fn(Relations) -> bool) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let stat = |number: &i32| fs::read(format!("/proc/{number}/stat")).ok();
    numbers
        .filter(|number| stat(number).and_then(|stat| relations(&stat)).is_some_and(&wanted))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Whether this process runs, however indirectly, because that one started something.
pub fn descends_from(ancestor: i32) -> bool {
    let parent = |number: i32| relations(&fs::read(format!("/proc/{number}/stat")).ok()?).map(|found| found.parent);
    // Only an unreadable system could send us in circles.
    std::iter::successors(parent(getpid().as_raw_pid()), |&number| parent(number))
        .take(10_000)
        .take_while(|&number| number > 0)
        .any(|number| number == ancestor)
}

/// Reads `NUMBER (NAME) STATE PARENT GROUP SESSION …`; `None` also for what has ended and only awaits its parent.
fn relations(stat: &[u8]) -> Option<Relations> {
    // The name may hold anything, a parenthesis included.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Relations { parent, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_mislead() {
        let read = relations(b"7 (a) S 1 (b) R 3 4 5 6 0");
        assert_eq!(read, Some(Relations { parent: 3, session: 5 }));
        assert_eq!(relations(b"7 (a) Z 3 4 5"), None);
        assert_eq!(relations(b"7 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found() {
        let own = rustix::process::getpid();
        let parent = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
        assert!(processes(|relations| relations.parent == parent).contains(&own));
        assert!(descends_from(parent) && !descends_from(own.as_raw_pid()));
    }
}
