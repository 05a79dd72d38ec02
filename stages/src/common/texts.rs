//! A column of texts: every distinct text once, and a small number for each row.
//!
//! A million rows of three levels cost four bytes each, and a text is compared, encoded or renamed once, not once a row.
//! Which number a text has depends on how the column came about and must reach no artifact; equality is that of texts.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;

/// Stands for a missing text; no dictionary has as many.
const MISSING: u32 = u32::MAX;

/// A column of texts; each may be missing.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    codes: Vec<u32>,
    levels: Arc<[Box<str>]>,
}

impl Texts {
    /// One text in every row, or none in any.
    pub fn repeat(text: Option<&str>, rows: usize) -> Self {
        let code = if text.is_some() { 0 } else { MISSING };
        Self { codes: vec![code; rows], levels: text.into_iter().map(Box::from).collect() }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The text of a row; nothing when it is missing, as beyond the last row.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.levels.get(*self.codes.get(row)? as usize).map(AsRef::as_ref)
    }

    /// The texts in row order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { codes: self.codes.iter(), levels: &self.levels }
    }

    /// The distinct texts, in no meaningful order; some may be in no row.
    pub fn levels(&self) -> &[Box<str>] {
        &self.levels
    }

    /// The place of each row's text among [`Texts::levels`].
    pub fn codes(&self) -> impl ExactSizeIterator<Item = Option<usize>> + '_ {
        self.codes.iter().map(|&code| (code != MISSING).then_some(code as usize))
    }

    /// The place of one row's text among [`Texts::levels`].
    pub fn code(&self, row: usize) -> Option<usize> {
        self.codes.get(row).filter(|&&code| code != MISSING).map(|&code| code as usize)
    }

    /// The rows at `index`, in that order.
    #[must_use]
    pub fn take(&self, index: &[usize]) -> Self {
        Self { codes: index.iter().map(|&row| self.codes[row]).collect(), levels: Arc::clone(&self.levels) }
    }

    /// Every text replaced by what `change` makes of it; what it makes nothing of is missing.
    #[must_use]
    pub fn map<S: AsRef<str>>(&self, change: impl Fn(&str) -> Option<S>) -> Self {
        if self.levels.iter().all(|level| change(level).is_some_and(|new| new.as_ref() == &**level)) {
            return self.clone();
        }
        let levels: Self = self.levels.iter().map(|level| change(level)).collect();
        let code = |&code: &u32| levels.codes.get(code as usize).copied().unwrap_or(MISSING);
        Self { codes: self.codes.iter().map(code).collect(), levels: levels.levels }
    }

    /// The texts as a list of their own.
    pub fn to_vec(&self) -> Vec<Option<String>> {
        self.iter().map(|text| text.map(str::to_owned)).collect()
    }
}

/// The texts of a column in row order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    codes: std::slice::Iter<'a, u32>,
    levels: &'a [Box<str>],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Option<&'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        let code = *self.codes.next()?;
        Some(self.levels.get(code as usize).map(AsRef::as_ref))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.codes.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Texts {
    type Item = Option<&'a str>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<S: AsRef<str>> FromIterator<Option<S>> for Texts {
    fn from_iter<I: IntoIterator<Item = Option<S>>>(texts: I) -> Self {
        let mut builder = TextsBuilder::default();
        builder.extend(texts);
        builder.finish()
    }
}

impl<S: AsRef<str>> From<Vec<Option<S>>> for Texts {
    fn from(texts: Vec<Option<S>>) -> Self {
        texts.into_iter().collect()
    }
}

impl PartialEq for Texts {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

/// Collects the texts of a column, whole or piece by piece.
#[derive(Debug, Default)]
pub struct TextsBuilder {
    codes: Vec<u32>,
    /// In the order in which they came, so that no number follows from a hash.
    levels: IndexSet<Box<str>, RandomState>,
}

impl TextsBuilder {
    /// A column that will have so many rows.
    pub fn with_rows(rows: usize) -> Self {
        Self { codes: Vec::with_capacity(rows), levels: IndexSet::default() }
    }

    /// Adds the texts of a column at `rows`.
    pub fn extend_from(&mut self, texts: &Texts, rows: &[usize]) {
        let mut known = vec![MISSING; texts.levels.len()];
        for &row in rows {
            let code = match texts.code(row) {
                None => MISSING,
                Some(level) => {
                    if known[level] == MISSING {
                        known[level] = self.code_of(&texts.levels[level]);
                    }
                    known[level]
                }
            };
            self.codes.push(code);
        }
    }

    /// The column.
    pub fn finish(self) -> Texts {
        Texts { codes: self.codes, levels: self.levels.into_iter().collect() }
    }

    /// # Panics
    /// At four thousand million distinct texts, which no memory holds.
    fn code_of(&mut self, text: &str) -> u32 {
        let code = match self.levels.get_index_of(text) {
            Some(code) => code,
            None => self.levels.insert_full(text.into()).0,
        };
        assert!(code < MISSING as usize, "a column has more distinct texts than there are numbers for them");
        code as u32
    }
}

impl<S: AsRef<str>> Extend<Option<S>> for TextsBuilder {
    fn extend<I: IntoIterator<Item = Option<S>>>(&mut self, texts: I) {
        let texts = texts.into_iter();
        self.codes.reserve(texts.size_hint().0);
        for text in texts {
            let code = text.map_or(MISSING, |text| self.code_of(text.as_ref()));
            self.codes.push(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(texts: &[Option<&str>]) -> Texts {
        texts.iter().copied().collect()
    }

    #[test]
    fn every_text_is_kept_once() {
        let texts = column(&[Some("b"), None, Some(""), Some("b")]);
        assert_eq!(texts.levels().len(), 2);
        assert_eq!([0, 1, 2, 3, 4].map(|row| texts.get(row)), [Some("b"), None, Some(""), Some("b"), None]);
        assert_eq!(Texts::repeat(Some("x"), 2), column(&[Some("x"), Some("x")]));
        assert_eq!(Texts::repeat(None, 1), column(&[None]));
    }

    #[test]
    fn texts_may_merge_or_vanish() {
        let texts = column(&[Some("a"), Some("B"), None, Some("b"), Some("c")]);
        let lower = texts.map(|text| (text != "c").then(|| text.to_lowercase()));
        assert_eq!(lower, column(&[Some("a"), Some("b"), None, Some("b"), None]));
        assert_eq!(lower.levels().len(), 2);
    }

    proptest! {
        #[test]
        fn pieces_make_the_column(texts in prop::collection::vec(prop::option::of("[ab]{0,2}"), 0..40), cut in 0..40_usize) {
            let whole: Texts = texts.clone().into();
            prop_assert_eq!(whole.to_vec(), texts.clone());
            let rows: Vec<usize> = (0..texts.len()).collect();
            let (first, last) = rows.split_at(cut.min(rows.len()));
            let mut builder = TextsBuilder::with_rows(rows.len());
            builder.extend(whole.take(first).iter());
            builder.extend_from(&whole, last);
            let built = builder.finish();
            prop_assert_eq!(built.codes().flatten().count(), texts.iter().flatten().count());
            prop_assert_eq!(built, whole);
        }
    }
}
