//! Text that a person can paste into a shell.

/// A path as one word of a POSIX shell, whatever it is made of; never taken for an option.
pub fn quote(path: impl AsRef<std::path::Path>) -> String {
    let text = path.as_ref().to_string_lossy();
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./@%+=:,-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for (path, word) in [("a/b-c.txt", "a/b-c.txt"), ("-rf", "./-rf"), ("", "''"), ("a b", "'a b'")] {
            assert_eq!(quote(path), word);
        }
        for path in ["it's", "a\nb", "$(x) `y` \"z\" \\", "é*?"] {
            let script = format!("printf %s {}", quote(path));
            let output = std::process::Command::new("/bin/sh").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8(output.stdout).expect("text"), path);
        }
    }
}
