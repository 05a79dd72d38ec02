//! Markdown that stays what it says: whatever comes from data or parameters is escaped, so that it can neither make
//! headings nor links nor break out of a table.

/// Text on one line, escaped.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match character {
            '\n' | '\r' | '\t' => escaped.push(' '),
            control if control.is_control() => {}
            '<' => escaped.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' => {
                escaped.push('\\');
                escaped.push(character);
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// A name in the letters of code; a backtick in it becomes an apostrophe.
pub(super) fn code(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() || c == '|' { ' ' } else { c }).collect();
    format!("`{}`", plain.replace('`', "'"))
}

/// A table of cells that are Markdown already.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(&header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    table += &line(&vec!["---".to_owned(); header.len()]);
    for row in rows {
        table += &line(&row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_cannot_become_markup() {
        assert_eq!(text(" a|b\n# <b> [x](y) `c`\u{1b}"), "a\\|b \\# &lt;b> \\[x\\](y) \\`c\\`");
        assert_eq!(code("a`b|c\n"), "`a'b c `");
        assert_eq!(table(&["a", "b"], [vec!["1".to_owned(), "2".to_owned()]]), "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }
}
