//! How the end of a process reads in words.

/// What is said of a shell line that ended badly, and what to do about it.
pub(super) fn line_failed(line: &str, exit: Option<i32>, signal: Option<i32>) -> (String, Option<String>) {
    let line = shorten(line);
    // A shell reports the signal that killed its command as 128 + signal.
    let signal = signal.or_else(|| exit.filter(|code| (129..=159).contains(code)).map(|code| code - 128));
    let message = match (exit, signal) {
        (Some(code), Some(signal)) => format!("`{line}` exited with code {code} ({})", signal_name(signal)),
        (Some(127), None) => format!("`{line}` exited with code 127: a command was not found"),
        (Some(126), None) => format!("`{line}` exited with code 126: a file is not executable"),
        (Some(code), None) => format!("`{line}` exited with code {code}"),
        (None, Some(signal)) => format!("`{line}` was ended by {}", signal_name(signal)),
        (None, None) => format!("`{line}` ended in an unknown way"),
    };
    let hint = match (exit, signal) {
        (_, Some(9)) => Some("SIGKILL usually means that the machine ran out of memory".to_owned()),
        (Some(127), _) => Some("check the spelling and that the program is on PATH".to_owned()),
        (Some(126), _) => Some("make the file executable (chmod +x), or name its interpreter".to_owned()),
        _ => None,
    };
    (message, hint)
}

/// What is said of a child that ended without explaining itself.
pub(super) fn child_ended(exit: Option<i32>, signal: Option<i32>, memory: Option<u64>) -> (String, Option<String>) {
    let message = match (exit, signal) {
        (_, Some(signal)) => format!("its process was ended by {}", signal_name(signal)),
        (Some(code), None) => format!("its process exited with code {code} without saying why"),
        (None, None) => "its process ended in an unknown way".to_owned(),
    };
    let hint = match (memory, signal) {
        (Some(bytes), Some(6 | 9 | 11)) => Some(format!(
            "it may have reached its memory limit of {bytes} bytes; raise `resources.memory` or give it less data"
        )),
        (None, Some(9)) => Some("SIGKILL usually means that the machine ran out of memory".to_owned()),
        _ => None,
    };
    (message, hint)
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// The first line of a command, at most 80 characters.
fn shorten(line: &str) -> String {
    let first = line.lines().next().unwrap_or("");
    let mut short: String = first.chars().take(80).collect();
    if short.len() < line.trim_end().len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_line_says_which_and_how() {
        let text = |exit, signal| line_failed("python train.py", exit, signal).0;
        assert_eq!(text(Some(1), None), "`python train.py` exited with code 1");
        assert_eq!(text(Some(137), None), "`python train.py` exited with code 137 (SIGKILL)");
        assert_eq!(text(None, Some(15)), "`python train.py` was ended by SIGTERM");
        assert_eq!(text(Some(127), None), "`python train.py` exited with code 127: a command was not found");
        assert_eq!(text(Some(255), None), "`python train.py` exited with code 255");
        let long = line_failed(&"é".repeat(200), Some(1), None).0;
        assert!(long.contains('…') && long.chars().count() < 120);
        assert_eq!(line_failed("a\nb\n", Some(1), None).0, "`a…` exited with code 1");
    }

    #[test]
    fn a_silent_crash_suspects_the_memory_limit() {
        let (message, hint) = child_ended(None, Some(6), Some(1 << 20));
        assert_eq!(message, "its process was ended by SIGABRT");
        assert!(hint.is_some_and(|hint| hint.contains("1048576 bytes")));
        assert_eq!(child_ended(Some(5), None, None).1, None);
    }
}
