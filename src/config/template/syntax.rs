//! The grammar of templates: `${a.b}`, `${a[0]}`, `${a[key]}`; `\${` is a literal `${`, and so is one that its line
//! does not close.

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal text.
    Text(String),
    /// The names that lead to a value.
    Name(Vec<String>),
}

/// Splits a text into literals and templates; the error says what is wrong with a template.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('\\') {
            literal.push_str(&rest[..at - 1]);
            literal.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        literal.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find(['}', '\n']).filter(|end| inner[*end..].starts_with('}')) else {
            literal.push_str("${");
            rest = inner;
            continue;
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Name(name(&inner[..end])?));
        rest = &inner[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

/// The steps of `a.b[c]`.
fn name(inner: &str) -> Result<Vec<String>, String> {
    let bad = || format!("`${{{inner}}}` is not a name like `${{a.b}}` or `${{a[0]}}`");
    let text = inner.trim();
    if text.contains("${") {
        return Err(format!("`${{{inner}}}` holds another template"));
    }
    let mut steps = Vec::new();
    for part in text.split('.') {
        let (head, mut indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if head.trim().is_empty() || head.contains([']', '{']) {
            return Err(bad());
        }
        steps.push(head.trim().to_owned());
        while !indices.is_empty() {
            let (index, rest) = indices.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(bad)?;
            if index.is_empty() || index.contains('[') {
                return Err(bad());
            }
            steps.push(index.trim().to_owned());
            indices = rest;
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_escapes_and_text() {
        let name = |steps: &[&str]| Piece::Name(steps.iter().map(|step| (*step).to_owned()).collect());
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(split("a ${b.c[0]} d"), Ok(vec![text("a "), name(&["b", "c", "0"]), text(" d")]));
        assert_eq!(split("${ x }"), Ok(vec![name(&["x"])]));
        assert_eq!(split(r"\${HOME}/${x}"), Ok(vec![text("${HOME}/"), name(&["x"])]));
        assert_eq!(split("${a b}"), Ok(vec![name(&["a b"])]));
        assert_eq!(split("x ${a\n}${b"), Ok(vec![text("x ${a\n}${b")]));
        assert_eq!(split(""), Ok(vec![text("")]));
        assert_eq!(split("$HOME {x} $"), Ok(vec![text("$HOME {x} $")]));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["${}", "${a.}", "${a[}", "${a[]}", "${a]}", "${a.${b}}", "${.a}"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_text_without_templates_stays(text in "[a${}\\\\\\[\\]. é]{0,30}") {
            if let Ok(pieces) = split(&text) && !text.contains("${") {
                proptest::prop_assert_eq!(pieces, vec![Piece::Text(text)]);
            }
        }
    }
}
