//! The known word that a misspelt one most likely means.

/// The candidate closest to `word`, if one is close enough to be worth naming. Ties go to the first candidate.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(2);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let longer = word.chars().count().max(candidate.chars().count());
        if distance <= allowed && distance < longer && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_a_typo_and_leaves_strangers_alone() {
        assert_eq!(nearest("dep", ["cmd", "deps", "desc"]), Some("deps"));
        assert_eq!(nearest("Otus", ["outs", "deps"]), Some("outs"));
        assert_eq!(nearest("quarantine", ["outs", "deps"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
