//! Text of others made fit for a terminal: what moves the cursor, turns the direction of writing or cannot be seen
//! is written out, such as `\u{1b}`.
//!
//! For the eye only: a text that says `\u{1b}` in plain letters looks the same. What programs read is never cleaned
//! here, but written as it is, or as JSON ([`json`]).
//!
//! The joiners U+200C and U+200D are part of the spelling of Persian, Arabic, Indic and other words and of many emoji:
//! between two characters of such scripts they stay, so that names are shown as their bearers write them. Anywhere else
//! they can only hide something, and are written out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is not seen, or changes how what stands around it is seen: control characters, line and
/// paragraph separators, directions of writing, characters without width, and blank letters.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// The text as one line; line ends and tabs are written out as well.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, &[])
}

/// The text with its line ends and tabs. Where a line of somebody else would be taken for one of ours, [`line`] is right.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, &['\n', '\t'])
}

/// The text with its lines, colours and overwritten progress bars: what a command wrote into its log.
pub fn styled(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (plain, sequence) = rest.split_at(at);
        let (sequence, after) = sequence.split_at(color(sequence).unwrap_or(0));
        shown.push_str(&escaped(plain, &['\n', '\t', '\r']));
        shown.push_str(sequence);
        rest = after;
        if sequence.is_empty() {
            shown.push_str(r"\u{1b}");
            rest = &after[1..];
        }
    }
    shown.push_str(&escaped(rest, &['\n', '\t', '\r']));
    shown
}

/// The same JSON document, with what cannot be seen in its texts written as `\u202e`.
pub fn json(document: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_hidden(c) && c != '\n';
    if !document.contains(hidden) {
        return Cow::Borrowed(document);
    }
    let mut shown = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn escaped<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    if !text.contains(|c| is_hidden(c) && !kept.contains(&c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let joins = matches!(c, '\u{200c}' | '\u{200d}')
            && is_joined(before)
            && characters.peek().is_some_and(|&c| is_joined(c));
        if is_hidden(c) && !joins && !kept.contains(&c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        before = c;
    }
    Cow::Owned(shown)
}

/// Whether a character is of those that a joiner may shape: Arabic to the scripts of South and South-East Asia, and emoji.
fn is_joined(c: char) -> bool {
    !is_hidden(c)
        && matches!(c, '\u{600}'..='\u{1cff}' | '\u{a800}'..='\u{abff}' | '\u{10a00}'..='\u{11fff}'
            | '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

/// The length of the sequence at the beginning of a text that sets a colour or another look of letters.
fn color(sequence: &str) -> Option<usize> {
    let inner = sequence.strip_prefix("\u{1b}[")?;
    let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    inner[end..].starts_with('m').then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_hidden_is_written_out() {
        for (text, shown) in [
            ("a\u{1b}[2Jb\u{7}", r"a\u{1b}[2Jb\u{7}"),
            ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
            ("one\r\ntwo\tthree\u{85}", r"one\r\ntwo\tthree\u{85}"),
            ("ana\u{202e}txt.\u{2066}x\u{2069}", r"ana\u{202e}txt.\u{2066}x\u{2069}"),
            ("\u{200e}a\u{200f}\u{61c}\u{2028}\u{2029}", r"\u{200e}a\u{200f}\u{61c}\u{2028}\u{2029}"),
            ("a\u{200b}n\u{2060}a\u{feff}", r"a\u{200b}n\u{2060}a\u{feff}"),
            ("an\u{200d}a\u{200c}", r"an\u{200d}a\u{200c}"),
            ("\u{e0041}", r"\u{e0041}"),
        ] {
            assert_eq!(line(text), shown);
        }
        assert_eq!(lines("a\n\tb\r\n\u{1b}"), "a\n\tb\\r\n\\u{1b}");
    }

    #[test]
    fn letters_of_any_script_stay_and_so_do_their_joiners() {
        let persian = "می\u{200c}خواهم";
        let sinhala = "ශ\u{dca}\u{200d}රී";
        let doctor = "👩\u{200d}⚕\u{fe0f}";
        for text in ["Zoë Müller-Łukasz", "山田 太郎", "Ольга", "עדה", persian, sinhala, doctor, "p ≥ 0.1 — “x”", "a b"]
        {
            assert_eq!(line(text), text);
        }
        // A joiner does nothing between letters that are never joined, nor at an end, nor beside another one.
        assert_eq!(line("خ\u{200c}"), "خ\\u{200c}");
        assert_eq!(line("خ\u{200c}\u{200c}خ"), "خ\\u{200c}\\u{200c}خ");
    }

    #[test]
    fn of_sequences_only_colours_stay() {
        let log = "\u{1b}[1;31mred\u{1b}[0m 10%\r100%\n\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[31";
        assert_eq!(styled(log), "\u{1b}[1;31mred\u{1b}[0m 10%\r100%\n\\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{1b}[31");
    }

    #[test]
    fn json_says_the_same_without_hidden_characters() {
        let document = "{\n  \"a\u{9b}\": \"\u{202e}\u{e0041}é\\u001b\"\n}\n";
        let shown = json(document);
        assert_eq!(shown, "{\n  \"a\\u009b\": \"\\u202e\\udb40\\udc41é\\u001b\"\n}\n");
        let value = |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&shown), value(document));
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_and_cleaning_twice_is_cleaning_once(
            text in proptest::collection::vec(prop_oneof![any::<char>(), "[\u{1b}\u{9b}\u{202e}\u{200d}\u{feff}\n\t\r\\[m1;خ]".prop_map(|text| text.chars().next().unwrap_or(' '))], 0..40)
        ) {
            let text: String = text.into_iter().collect();
            let one = line(&text).into_owned();
            let is_seen = |c: char| !is_hidden(c) || matches!(c, '\u{200c}' | '\u{200d}');
            prop_assert!(one.chars().all(is_seen));
            prop_assert_eq!(line(&one), one.as_str());
            let several = lines(&text).into_owned();
            prop_assert_eq!(several.matches('\n').count(), text.matches('\n').count());
            prop_assert_eq!(lines(&several), several.as_str());
            let colored = styled(&text);
            prop_assert_eq!(styled(&colored), colored.as_str());
        }
    }
}
