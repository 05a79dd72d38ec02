//! What is wrong with a policy as written: each fault with the path of its key.
//!
//! Nothing is repaired and nothing guessed here; the error says what to write instead.

use super::params::{KEY, Policy, PolicyKind, StrataParams};
use crate::ParamError;
use crate::common::schema::{AvailableAt, ColumnType, Schema};

/// Most event rates in the table of alerts.
const MOST_PREVALENCES: usize = 50;

impl Policy {
    pub(super) fn check_below(&self, key: &str) -> Result<(), ParamError> {
        let at = |inner: &str, message: String| Err(ParamError::new(format!("{key}.{inner}"), message));
        if let Some(cost) = &self.cost
            && let Err((field, message)) = cost.check()
        {
            return at(&format!("cost.{field}"), message);
        }
        if let Some((inner, message)) = self.missing() {
            return at(inner, message.to_owned());
        }
        if let Some((inner, message)) = self.nonsense() {
            return at(inner, message);
        }
        self.check_resampling(key)?;
        self.strata.as_ref().map_or(Ok(()), |strata| strata.check_below(key))
    }

    /// What the policy needs and does not have.
    fn missing(&self) -> Option<(&'static str, &'static str)> {
        let absent = match self.policy {
            PolicyKind::Cost => (self.cost.is_none(), "cost", "is missing: the policy `cost` needs a cost table"),
            PolicyKind::Fbeta => {
                (self.beta.is_none(), "beta", "is missing: the policy `fbeta` needs it (2 weighs recall twice)")
            }
            PolicyKind::RecallFloor => (
                self.recall.is_none(),
                "recall",
                "is missing: the policy `recall_floor` needs the share of events to be found, such as 0.9",
            ),
            PolicyKind::NetBenefit => (
                self.range.is_none() && self.cost.is_none(),
                "range",
                "is missing: the policy `net_benefit` needs the threshold probabilities at which one would act, such \
                 as [0.05, 0.2], or a cost table that implies one",
            ),
            PolicyKind::Capacity => (
                self.max_flagged_per_1000.is_none(),
                "max_flagged_per_1000",
                "is missing: the policy `capacity` needs the most rows per 1,000 that may be flagged",
            ),
            PolicyKind::Fixed => {
                (self.value.is_none(), "value", "is missing: the policy `fixed` needs the threshold itself")
            }
            PolicyKind::F1 | PolicyKind::Youden => (false, "", ""),
        };
        absent.0.then_some((absent.1, absent.2))
    }

    /// A setting that makes no sense.
    fn nonsense(&self) -> Option<(&'static str, String)> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        if let Some(message) = self.pointless() {
            return Some(("cost", message));
        }
        if let Some(beta) = self.beta.filter(|beta| !(beta.is_finite() && *beta > 0.0)) {
            return Some(("beta", format!("{beta} is not a number above 0")));
        }
        if let Some(beta) = self.beta.filter(|beta| self.policy == PolicyKind::F1 && *beta != 1.0) {
            return Some(("beta", format!("is {beta}, and the policy `f1` weighs recall and precision alike")));
        }
        if let Some(recall) = self.recall.filter(|recall| !(*recall > 0.0 && *recall <= 1.0)) {
            return Some(("recall", format!("{recall} is not a share above 0 and at most 1")));
        }
        if let Some([low, high]) = self.range.filter(|[low, high]| !(*low > 0.0 && low <= high && *high < 1.0)) {
            return Some(("range", format!("{low} to {high} is no range of probabilities between 0 and 1")));
        }
        if let Some(most) = self.max_flagged_per_1000.filter(|most| !(*most > 0.0 && *most <= 1000.0)) {
            return Some(("max_flagged_per_1000", format!("{most} is not a number above 0 and at most 1000")));
        }
        for (key, bound) in [("value", self.value), ("min", self.min), ("max", self.max)] {
            if let Some(bound) = bound.filter(|bound| !share(*bound)) {
                return Some((key, format!("{bound} is not a probability")));
            }
        }
        match (self.min, self.max) {
            (Some(min), Some(max)) if min > max => Some(("min", format!("{min} lies above `max` {max}"))),
            _ => self.aimless(),
        }
    }

    /// Settings that a fixed threshold would silently ignore.
    fn aimless(&self) -> Option<(&'static str, String)> {
        let limits = [("min", self.min), ("max", self.max), ("max_flagged_per_1000", self.max_flagged_per_1000)];
        let limit = limits.into_iter().find(|(_, limit)| limit.is_some()).filter(|_| self.policy == PolicyKind::Fixed);
        limit.map(|(key, _)| (key, "is a limit on a choice, and the policy `fixed` chooses nothing".to_owned()))
    }

    /// Why the costs leave nothing to choose, for policies that choose by them.
    fn pointless(&self) -> Option<String> {
        let chooses = match self.policy {
            PolicyKind::Cost => true,
            PolicyKind::NetBenefit => self.range.is_none(),
            _ => false,
        };
        let cost = self.cost.as_ref().filter(|cost| chooses && cost.calibrated_optimum().is_none())?;
        let never = cost.flagged_event() >= cost.false_negative;
        Some(if never {
            format!(
                "leaves nothing to choose: flagging a patient with the event costs {} and missing one {}, so flagging \
                 never pays",
                cost.flagged_event(),
                cost.false_negative
            )
        } else {
            format!(
                "leaves nothing to choose: flagging a patient without the event costs {} and leaving one alone {}, so \
                 flagging everyone is always best",
                cost.false_positive, cost.true_negative
            )
        })
    }

    fn check_resampling(&self, key: &str) -> Result<(), ParamError> {
        let at = |inner: String, message: String| Err(ParamError::new(format!("{key}.{inner}"), message));
        if let Some(count) = self.bootstrap.filter(|count| *count != 0 && !(100..=100_000).contains(count)) {
            return at("bootstrap".to_owned(), format!("{count} resamples: give 0 for none, or 100 to 100000"));
        }
        if let Some(level) = self.confidence.filter(|level| !(*level > 0.0 && *level < 1.0)) {
            return at("confidence".to_owned(), format!("{level} is not a level between 0 and 1"));
        }
        if self.prevalences.len() > MOST_PREVALENCES {
            return at("prevalences".to_owned(), format!("are more than {MOST_PREVALENCES}"));
        }
        match self.prevalences.iter().position(|rate| !(*rate > 0.0 && *rate < 1.0)) {
            Some(index) => {
                at(format!("prevalences.{index}"), format!("{} is not a rate between 0 and 1", self.prevalences[index]))
            }
            None => Ok(()),
        }
    }

    /// The first setting that only the whole study can have.
    fn of_the_study(&self) -> Option<&'static str> {
        let set = [
            ("strata", self.strata.is_some()),
            ("bootstrap", self.bootstrap.is_some()),
            ("confidence", self.confidence.is_some()),
            ("prevalences", !self.prevalences.is_empty()),
        ];
        set.into_iter().find(|(_, set)| *set).map(|(key, _)| key)
    }
}

impl StrataParams {
    pub(super) fn check_below(&self, key: &str) -> Result<(), ParamError> {
        let at = |inner: String, message: String| Err(ParamError::new(format!("{key}.strata.{inner}"), message));
        if self.column.is_empty() {
            return at("column".to_owned(), "names no column".to_owned());
        }
        if self.min_events == 0 {
            return at("min_events".to_owned(), "must be at least 1: a threshold needs events".to_owned());
        }
        for (level, threshold) in &self.thresholds {
            if !(0.0..=1.0).contains(threshold) {
                return at(format!("thresholds.{level}"), format!("{threshold} is not a probability"));
            }
            if self.policies.contains_key(level) {
                return at(format!("thresholds.{level}"), "has a policy as well; give one of the two".to_owned());
            }
        }
        for (level, policy) in &self.policies {
            if let Some(inner) = policy.of_the_study() {
                return at(format!("policies.{level}.{inner}"), "is set for the whole study, not by level".to_owned());
            }
            policy.check_below(&format!("{key}.strata.policies.{level}"))?;
        }
        Ok(())
    }

    /// Checks the column and the named levels against the schema.
    pub(super) fn check_columns(&self, schema: &Schema) -> Result<(), ParamError> {
        let at = |inner: String, message: String| Err(ParamError::new(format!("{KEY}.strata.{inner}"), message));
        let name = &self.column;
        let Some(column) = schema.columns.get(name) else {
            return at("column".to_owned(), format!("`{name}` is not under schema.columns"));
        };
        if *name == schema.target.column || column.available_at == AvailableAt::Post {
            return at("column".to_owned(), format!("`{name}` is not known when a patient is scored"));
        }
        if column.kind == ColumnType::Number {
            return at("column".to_owned(), format!("`{name}` is a number; strata need levels"));
        }
        let known = column.text_levels();
        let named = self.thresholds.keys().map(|level| ("thresholds", level));
        let mut named = named.chain(self.policies.keys().map(|level| ("policies", level)));
        match named.find(|(_, level)| !known.is_empty() && !known.contains(level)) {
            Some((part, level)) => {
                let levels = known.join(", ");
                at(format!("{part}.{level}"), format!("is no level of `{name}`, which has: {levels}"))
            }
            None => Ok(()),
        }
    }
}
