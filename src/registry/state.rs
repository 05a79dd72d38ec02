//! The state of a registry: which version is the champion, which the challenger, and what led to it.
//!
//! A state is a document of its own that names the digest of the one before, so that the states are a history nobody
//! can rewrite unseen. Moving from one to the next is pure; nothing here touches a file.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key::Digest;
use crate::util::json;

/// The version of the format of a state.
pub const SCHEMA_VERSION: u32 = 1;

/// What led to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A version became the champion.
    Promotion,
    /// A version became the challenger.
    Challenge,
    /// The champion before became the champion again.
    Rollback,
}

/// What shall be done, by whom and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// What.
    pub act: Act,
    /// The version that gets a new role. For a rollback, the champion to return to.
    pub version: Digest,
    /// Who typed the command.
    pub actor: String,
    /// Who answers for the version.
    pub author: String,
    /// Who agreed to it.
    pub approver: Option<String>,
    /// Why.
    pub reason: String,
    /// When: RFC 3339 in UTC.
    pub utc: String,
    /// What else the state tells of it: policy, comparison, rules.
    pub details: Value,
}

/// A state of the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Counted from 1.
    pub seq: u64,
    /// The digest of the state before; none in the first.
    pub before: Option<Digest>,
    /// What led to it.
    pub act: Act,
    /// When.
    pub utc: String,
    /// Who typed the command.
    pub actor: String,
    /// Who answers for the version.
    pub author: String,
    /// Who agreed to it.
    pub approver: Option<String>,
    /// Why.
    pub reason: String,
    /// The champion; none while there is only a challenger.
    pub champion: Option<Digest>,
    /// The challenger.
    pub challenger: Option<Digest>,
    /// Versions that had a role and have none, the latest first.
    pub archived: Vec<Digest>,
    /// The champions that a rollback returns to, the latest last.
    pub earlier: Vec<Digest>,
    /// The champion that the version was compared with.
    pub compared_with: Option<Digest>,
    /// Policy, comparison and rules.
    pub details: Value,
}

impl State {
    /// The state after a move; `before` is the present one. The champion it names is the one that the version was
    /// compared with, which the caller has made sure of.
    ///
    /// # Errors
    /// When the present state cannot be expressed in JSON.
    pub fn after(before: Option<&Self>, done: Move) -> serde_json::Result<Self> {
        let champion = before.and_then(|state| state.champion);
        let challenger = before.and_then(|state| state.challenger);
        let mut earlier = before.map(|state| state.earlier.clone()).unwrap_or_default();
        let (champion_now, challenger_now) = match done.act {
            Act::Promotion => {
                earlier.extend(champion.filter(|champion| *champion != done.version));
                (Some(done.version), challenger.filter(|challenger| *challenger != done.version))
            }
            Act::Challenge => (champion, Some(done.version)),
            Act::Rollback => {
                while earlier.pop().is_some_and(|version| version != done.version) {}
                (Some(done.version), challenger)
            }
        };
        let now = [champion_now, challenger_now];
        let left = [champion, challenger].into_iter().flatten().filter(|version| !now.contains(&Some(*version)));
        let mut archived: Vec<Digest> = left.collect();
        let known = before.map(|state| state.archived.clone()).unwrap_or_default();
        archived.extend(known.into_iter().filter(|version| !now.contains(&Some(*version))));
        let mut seen = std::collections::BTreeSet::new();
        archived.retain(|version| seen.insert(*version));
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            seq: before.map_or(1, |state| state.seq + 1),
            before: before.map(Self::digest).transpose()?,
            act: done.act,
            utc: done.utc,
            actor: done.actor,
            author: done.author,
            approver: done.approver,
            reason: done.reason,
            champion: champion_now,
            challenger: challenger_now,
            archived,
            earlier,
            compared_with: champion,
            details: done.details,
        })
    }

    /// Every version that has a role or had one.
    pub fn roles(&self) -> Vec<Digest> {
        let now = self.champion.iter().chain(&self.challenger);
        now.chain(&self.archived).chain(&self.earlier).copied().collect()
    }

    /// The champion that a rollback returns to.
    pub fn returns_to(&self) -> Option<Digest> {
        self.earlier.last().copied()
    }

    /// Its text.
    ///
    /// # Errors
    /// When it cannot be expressed in JSON.
    pub fn text(&self) -> serde_json::Result<String> {
        json::canonical(self)
    }

    /// BLAKE3 of its text.
    ///
    /// # Errors
    /// When it cannot be expressed in JSON.
    pub fn digest(&self) -> serde_json::Result<Digest> {
        Ok(Digest::of(self.text()?.as_bytes()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::registry) fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    pub(in crate::registry) fn done(act: Act, name: &str) -> Move {
        Move {
            act,
            version: digest(name),
            actor: "ana".to_owned(),
            author: "ana".to_owned(),
            approver: None,
            reason: "a reason".to_owned(),
            utc: "2026-01-02T03:04:05.678Z".to_owned(),
            details: Value::Null,
        }
    }

    fn play(acts: &[(Act, &str)]) -> State {
        let mut state: Option<State> = None;
        for (act, name) in acts {
            state = Some(State::after(state.as_ref(), done(*act, name)).expect("JSON"));
        }
        state.expect("acts")
    }

    #[test]
    fn a_promotion_archives_the_champion_and_a_rollback_brings_it_back() {
        use Act::{Challenge, Promotion, Rollback};
        let state = play(&[(Promotion, "a"), (Challenge, "b"), (Promotion, "b")]);
        assert_eq!((state.champion, state.challenger), (Some(digest("b")), None));
        assert_eq!((state.archived.as_slice(), state.returns_to()), (&[digest("a")][..], Some(digest("a"))));
        let state = play(&[(Promotion, "a"), (Promotion, "b"), (Promotion, "c"), (Rollback, "b")]);
        assert_eq!((state.champion, state.returns_to()), (Some(digest("b")), Some(digest("a"))));
        assert_eq!(state.archived, [digest("c"), digest("a")]);
        assert_eq!((state.seq, state.compared_with), (4, Some(digest("c"))));
        let state = play(&[(Promotion, "a"), (Promotion, "b"), (Promotion, "c"), (Rollback, "a")]);
        assert_eq!((state.champion, state.returns_to()), (Some(digest("a")), None));
        let state = play(&[(Challenge, "a"), (Challenge, "b"), (Challenge, "a")]);
        assert_eq!((state.champion, state.challenger, state.archived), (None, Some(digest("a")), vec![digest("b")]));
    }

    #[test]
    fn a_state_names_the_one_before() {
        let first = play(&[(Act::Promotion, "a")]);
        let second = State::after(Some(&first), done(Act::Promotion, "b")).expect("JSON");
        assert_eq!(second.before, Some(first.digest().expect("JSON")));
        let read: State = serde_json::from_str(&second.text().expect("JSON")).expect("reads");
        assert_eq!(read, second);
    }
}
