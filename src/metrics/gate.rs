//! `clinpipe metrics diff --gate`: rules from a file, judged on the present metrics and an earlier state of them.
//!
//! A metric is named by its dotted path, or as `file:path` when several files have it. The judging itself is that of
//! the stage `gate`.

use clinpipe_stages::common::gate_rules::{Direction, GateRule, Lookup, RuleOutcome, evaluate};
use serde::Deserialize;

use super::read::{MetricsError, MetricsSet, parse};
use super::table::Table;

/// A rules file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rules: Vec<GateRule>,
}

/// Reads `rules: [...]` from YAML or JSON text and checks every rule.
pub fn load_rules(file: &str, text: &str) -> Result<Vec<GateRule>, MetricsError> {
    let document = parse(file, text)?;
    let Rules { rules } = serde_path_to_error::deserialize(&document)
        .map_err(|error| MetricsError::new(file, format!("{}: {}", error.path(), error.inner())))?;
    if rules.is_empty() {
        return Err(MetricsError::new(file, "has no rules: such a gate would pass anything"));
    }
    for (index, rule) in rules.iter().enumerate() {
        rule.check().map_err(|error| MetricsError::new(file, format!("rules[{index}].{error}")))?;
    }
    Ok(rules)
}

/// Which way a metric improves, if the rules tell: by their direction, a floor or a limit on drops (higher), a ceiling
/// or a limit on rises (lower). Rules that contradict each other tell nothing.
pub fn direction_of(rules: &[GateRule], file: &str, path: &str) -> Option<Direction> {
    let is_named = |rule: &&GateRule| match rule.metric.rsplit_once(':') {
        Some((of, key)) => of == file && key == path,
        None => rule.metric == path,
    };
    let told = rules.iter().filter(is_named).flat_map(|rule| {
        let higher = (rule.min.is_some() || rule.max_drop.is_some()).then_some(Direction::Higher);
        let lower = (rule.max.is_some() || rule.max_rise.is_some()).then_some(Direction::Lower);
        [rule.direction, higher.filter(|_| rule.direction.is_none()), lower.filter(|_| rule.direction.is_none())]
    });
    let mut told = told.flatten();
    let first = told.next()?;
    told.all(|direction| direction == first).then_some(first)
}

/// What the rules say of the present metrics.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GateReport {
    /// Whether all hold.
    pub passed: bool,
    /// Every condition, in the order of the rules.
    pub rules: Vec<RuleOutcome>,
}

/// Judges the rules. `old` is what `max_drop` and `max_rise` compare with; without it such rules fail.
pub fn gate(rules: &[GateRule], new: &MetricsSet, old: Option<&MetricsSet>) -> GateReport {
    let old = old.map(Files);
    let rules = evaluate(rules, &Files(new), old.as_ref().map(|old| old as &dyn Lookup));
    GateReport { passed: rules.iter().all(|outcome| outcome.passed), rules }
}

impl GateReport {
    /// The rows to print: verdict, rule, reason.
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["Gate", "Rule", "Reason"]);
        for outcome in &self.rules {
            let verdict = if outcome.passed { "pass" } else { "FAIL" };
            table.push([verdict.to_owned(), outcome.rule.clone(), outcome.reason.clone()]);
        }
        table
    }
}

/// Looks a metric up in several files.
struct Files<'a>(&'a MetricsSet);

impl Lookup for Files<'_> {
    fn number(&self, path: &str) -> Result<f64, String> {
        if let Some((file, key)) = path.rsplit_once(':') {
            return match self.0.get(file) {
                None => Err(format!("`{file}` is no metrics file of the pipeline")),
                Some(Err(error)) => Err(error.to_string()),
                Some(Ok(document)) => document.number(key).map_err(|reason| format!("{reason} in {file}")),
            };
        }
        let has = |document: &serde_json::Value| document.pointer(&format!("/{}", path.replace('.', "/"))).is_some();
        let holders: Vec<_> =
            self.0.iter().filter_map(|(file, document)| Some((file, document.as_ref().ok()?))).collect();
        let named: Vec<_> = holders.into_iter().filter(|(_, document)| has(document)).collect();
        match named.as_slice() {
            [(_, document)] => document.number(path),
            [] => Err(self.missing(path)),
            [(first, _), (second, _), ..] => {
                Err(format!("`{path}` is in {first} and in {second}: write `{first}:{path}`"))
            }
        }
    }
}

impl Files<'_> {
    fn missing(&self, path: &str) -> String {
        let broken: Vec<String> =
            self.0.values().filter_map(|document| document.as_ref().err()).map(ToString::to_string).collect();
        if broken.is_empty() {
            format!("`{path}` is missing")
        } else {
            format!("`{path}` is missing ({})", broken.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn set(files: &[(&str, Value)]) -> MetricsSet {
        files.iter().map(|(file, document)| ((*file).to_owned(), Ok(document.clone()))).collect()
    }

    fn reason(rules: &str, new: &MetricsSet, old: Option<&MetricsSet>) -> (bool, String) {
        let rules = load_rules("gates.yaml", rules).expect("sound rules");
        let report = gate(&rules, new, old);
        (report.passed, report.rules[0].reason.clone())
    }

    #[test]
    fn rules_find_their_metric_in_the_one_file_that_has_it() {
        let new = set(&[("a.json", json!({"auroc": {"low": 0.6}, "n": 1})), ("b.json", json!({"n": 2}))]);
        let rule = |metric: &str| format!("rules:\n- {{metric: \"{metric}\", min: 0.55}}\n");
        assert!(reason(&rule("auroc.low"), &new, None).0);
        assert!(reason(&rule("b.json:n"), &new, None).0);
        assert_eq!(reason(&rule("n"), &new, None).1, "`n` is in a.json and in b.json: write `a.json:n`");
        assert_eq!(reason(&rule("c.json:n"), &new, None).1, "`c.json` is no metrics file of the pipeline");
        assert_eq!(reason(&rule("x"), &new, None).1, "`x` is missing");
    }

    #[test]
    fn a_broken_file_is_named_where_its_metric_is_missed() {
        let mut new = set(&[]);
        new.insert("a.json".to_owned(), Err(MetricsError::new("a.json", "expected value")));
        let (passed, reason) = reason("rules: [{metric: auroc, min: 0}]", &new, None);
        assert!(!passed);
        assert_eq!(reason, "`auroc` is missing (a.json: expected value)");
    }

    #[test]
    fn drops_compare_with_the_earlier_state() {
        let (old, new) = (set(&[("a.json", json!({"auroc": 0.8}))]), set(&[("a.json", json!({"auroc": 0.7}))]));
        let rules = "rules: [{metric: auroc, max_drop: 0.02}]";
        assert!(!reason(rules, &new, Some(&old)).0);
        assert!(reason(rules, &old, Some(&new)).0);
        assert!(!reason(rules, &new, None).0);
    }

    #[test]
    fn unsound_rules_files_say_where() {
        let message = |text: &str| load_rules("gates.yaml", text).expect_err("unsound").message;
        assert!(message("rules: []").contains("no rules"));
        assert_eq!(
            message("rules: [{metric: a, must_beat: b}]"),
            "rules[0].direction: is missing: must_beat needs `lower` or `higher`"
        );
        assert!(message("rules: [{metric: a, minimum: 1}]").starts_with("rules[0]"));
    }

    #[test]
    fn a_direction_is_known_only_when_a_rule_tells() {
        let rules = "rules:\n- {metric: auroc.low, min: 0.5}\n- {metric: a.json:cost, direction: lower, must_beat: b}\n\
                     - {metric: n, min: 1, max: 9}\n";
        let rules = load_rules("gates.yaml", rules).expect("sound rules");
        assert_eq!(direction_of(&rules, "a.json", "auroc.low"), Some(Direction::Higher));
        assert_eq!(direction_of(&rules, "a.json", "cost"), Some(Direction::Lower));
        assert_eq!(direction_of(&rules, "b.json", "cost"), None);
        assert_eq!(direction_of(&rules, "a.json", "n"), None);
        assert_eq!(direction_of(&rules, "a.json", "auroc"), None);
    }
}
