//! From the text of a claims file to typed claims; every mistake with its place.

use super::stated::Stated;
use super::types::{Change, Claims, Costs, Measure, Model, Point, Policy, Projection, Sample};
use crate::config::yaml::{self, Kind, Node};
use crate::config::{ConfigErrors, Source, Span};
use crate::util::nearest;

/// Reads a claims file, YAML or JSON.
pub(super) fn read(source: &Source) -> Result<Claims, ConfigErrors> {
    let root = yaml::parse(source)?;
    let mut reader = Reader { source, errors: Vec::new(), samples: Vec::new() };
    let claims = reader.claims(&root);
    reader.errors.sort_by_key(|error| error.span.map(|span| (span.line, span.column)));
    if reader.errors.is_empty() { Ok(claims) } else { Err(ConfigErrors(reader.errors)) }
}

const TOP: &[&str] = &["schema_version", "source", "samples", "models", "costs", "changes"];
const SAMPLE: &[&str] = &["n", "events", "prevalence", "part_of", "share", "stratified"];
const MODEL: &[&str] = &["name", "sample", "auroc", "points"];
const COSTS: &[&str] = &["false_positive", "false_negative", "true_positive", "true_negative"];
const CHANGE: &[&str] = &["what", "from", "to", "difference", "relative"];
const NUMBER: &[&str] = &["value", "low", "high", "within"];
/// Beyond so many rows, whole numbers of patients no longer bound what is published.
pub(super) const MOST_ROWS: f64 = 1e9;
const PROJECTED: [&str; 5] = ["tp", "fp", "tn", "fn", "cost"];

struct Reader<'a> {
    source: &'a Source,
    errors: Vec<crate::config::ConfigError>,
    /// The names of the samples.
    samples: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let help = help.into();
        let error = self.source.error(span, message);
        self.errors.push(if help.is_empty() { error } else { error.help(help) });
    }

    fn claims(&mut self, root: &Node) -> Claims {
        self.known(root, "a claims file", TOP, false);
        if let Some(version) = root.get("schema_version")
            && version.kind != Kind::Number(1.into())
        {
            self.fault(version.span, "schema_version must be 1", "");
        }
        let samples = root.get("samples").map_or(&[][..], Node::entries);
        self.samples = samples.iter().map(|entry| entry.key.clone()).collect();
        let claims = Claims {
            source: root.get("source").and_then(|node| self.text(node, "source")),
            samples: samples.iter().map(|entry| self.sample(&entry.key, entry.key_span, &entry.value)).collect(),
            models: self.list(root, "models").iter().map(|node| self.model(node)).collect(),
            costs: root.get("costs").and_then(|node| self.costs(node)),
            changes: self.list(root, "changes").iter().map(|node| self.change(node)).collect(),
        };
        self.circular(&claims.samples);
        if claims.models.is_empty() && claims.changes.is_empty() && claims.samples.is_empty() && self.errors.is_empty()
        {
            self.fault(root.span, "there is nothing to check", "docs/claims.md has the format and an example");
        }
        claims
    }

    /// A sample that is a part of itself.
    fn circular(&mut self, samples: &[Sample]) {
        for (start, sample) in samples.iter().enumerate() {
            let (mut at, mut steps) = (sample.part_of, 0);
            while let Some(next) = at.filter(|_| steps <= samples.len()) {
                if next == start {
                    self.fault(sample.span, format!("sample `{}` is a part of itself", sample.name), "");
                    break;
                }
                (at, steps) = (samples.get(next).and_then(|sample| sample.part_of), steps + 1);
            }
        }
    }

    /// Refuses unknown keys; with `measures`, those of a measure are known too.
    fn known(&mut self, node: &Node, what: &str, keys: &[&str], measures: bool) {
        if !matches!(node.kind, Kind::Map(_)) {
            self.fault(node.span, format!("{what} must be a mapping, found {}", node.describe()), "");
            return;
        }
        for entry in node.entries() {
            if keys.contains(&entry.key.as_str()) || (measures && Measure::of_key(&entry.key).is_some()) {
                continue;
            }
            let all = keys.iter().copied().chain(Measure::KEYS.iter().map(|(key, _)| *key).filter(|_| measures));
            let help = nearest(&entry.key, all.clone()).map_or_else(
                || format!("known keys are {}", all.collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.fault(entry.key_span, format!("unknown key `{}` in {what}", entry.key), help);
        }
    }

    fn list<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Node] {
        match node.get(key).map(|value| (&value.kind, value)) {
            None | Some((Kind::Null, _)) => &[],
            Some((Kind::List(items), _)) => items,
            Some((_, value)) => {
                self.fault(value.span, format!("{key} must be a list, found {}", value.describe()), "");
                &[]
            }
        }
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        if let Kind::Text(text) = &node.kind {
            return Some(text.clone());
        }
        self.fault(node.span, format!("{what} must be text, found {}", node.describe()), "put it in quotes");
        None
    }

    /// A number with its digits as written.
    fn number(&mut self, node: &Node, what: &str) -> Option<Stated> {
        if let Kind::Map(_) = &node.kind {
            return self.number_with_interval(node, what);
        }
        let text = match &node.kind {
            Kind::Number(_) => self.written(node.span),
            Kind::Text(text) => Some(text.clone()),
            _ => None,
        };
        let Some(text) = text else {
            self.fault(node.span, format!("{what} must be a number, found {}", node.describe()), "");
            return None;
        };
        match Stated::parse(&text, node.span) {
            Ok(stated) => Some(stated),
            Err(message) => {
                self.fault(
                    node.span,
                    format!("{what}: {message}"),
                    "write it as published: 0.830, \"24.3 %\", \"551,500\"",
                );
                None
            }
        }
    }

    /// The digits of a number, which its value has lost: `0.830`.
    fn written(&self, span: Span) -> Option<String> {
        let line = self.source.text.lines().nth(span.line.checked_sub(1)?)?;
        let rest = line.chars().skip(span.column.checked_sub(1)?);
        let text: String = rest.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+')).collect();
        (!text.is_empty()).then_some(text)
    }

    fn number_with_interval(&mut self, node: &Node, what: &str) -> Option<Stated> {
        self.known(node, what, NUMBER, false);
        let Some(value) = node.get("value") else {
            self.fault(node.span, format!("{what} has no `value`"), "");
            return None;
        };
        let mut stated = self.number(value, what)?;
        if let Some(within) = node.get("within").and_then(|node| self.number(node, "within")) {
            stated.within = within.value.abs();
        }
        let mut end = |key| node.get(key).filter(|end| end.kind != Kind::Null).and_then(|end| self.number(end, key));
        let (low, high) = (end("low"), end("high"));
        stated.interval = low.zip(high).map(|(low, high)| (low.range().lo, high.range().hi));
        Some(stated)
    }

    /// A number under a key.
    fn given(&mut self, node: &Node, key: &str) -> Option<Stated> {
        let value = node.get(key).filter(|value| value.kind != Kind::Null)?;
        self.number(value, key)
    }

    /// A threshold: between 0 and 1. Other numbers out of their range are published mistakes; this one would be a score
    /// of another kind, to which the checks do not apply.
    fn threshold(&mut self, node: &Node) -> Option<Stated> {
        let stated = self.given(node, "threshold")?;
        if (0.0..=1.0).contains(&stated.value) {
            return Some(stated);
        }
        let message = format!("threshold must lie between 0 and 1, found {}", stated.text);
        let help = if stated.value > 1.0 {
            format!(
                "for a percentage, write \"{} %\"; leave out the threshold of a score that is no share",
                stated.text
            )
        } else {
            String::new()
        };
        self.fault(stated.span, message, help);
        None
    }

    /// A whole number of rows.
    fn count(&mut self, node: &Node, key: &str) -> Option<Stated> {
        self.given(node, key).filter(|stated| self.is_count(stated, key))
    }

    fn is_count(&mut self, stated: &Stated, key: &str) -> bool {
        let is_whole = stated.value >= 0.0 && stated.value.fract() == 0.0;
        if is_whole && stated.value > MOST_ROWS {
            let most = crate::util::human::count(MOST_ROWS as u64);
            let message = format!("{key} {} is more than the {most} rows that are checked here", stated.text);
            self.fault(stated.span, message, "leave it out; shares and prevalence are checked without it");
            return false;
        }
        if !is_whole {
            let message = format!("{key} must be a whole number of rows, found {}", stated.text);
            self.fault(stated.span, message, "give shares under flagged_share, recall, prevalence …");
        }
        is_whole
    }

    fn sample_named(&mut self, node: &Node, key: &str) -> Option<usize> {
        let value = node.get(key)?;
        let name = self.text(value, key)?;
        let found = self.samples.iter().position(|known| *known == name);
        if found.is_none() {
            let near =
                nearest(&name, self.samples.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| "name a sample of `samples`".to_owned());
            self.fault(value.span, format!("there is no sample `{name}`"), help);
        }
        found
    }

    fn sample(&mut self, name: &str, span: Span, node: &Node) -> Sample {
        self.known(node, &format!("sample `{name}`"), SAMPLE, false);
        let stratified = match node.get("stratified").map(|node| (&node.kind, node.span)) {
            None => false,
            Some((Kind::Bool(value), _)) => *value,
            Some((_, span)) => {
                self.fault(span, "stratified must be true or false", "");
                false
            }
        };
        Sample {
            name: name.to_owned(),
            n: self.count(node, "n"),
            events: self.count(node, "events"),
            prevalence: self.given(node, "prevalence"),
            part_of: self.sample_named(node, "part_of"),
            share: self.given(node, "share"),
            stratified,
            span,
        }
    }

    fn model(&mut self, node: &Node) -> Model {
        self.known(node, "a model", MODEL, false);
        let name = node.get("name").and_then(|node| self.text(node, "name")).unwrap_or_else(|| "the model".to_owned());
        let points = self.list(node, "points").iter().map(|point| self.point(&name, point)).collect();
        Model { sample: self.sample_named(node, "sample"), auroc: self.given(node, "auroc"), points, name }
    }

    fn point(&mut self, model: &str, node: &Node) -> Point {
        self.known(node, "a point", &["name", "threshold", "policy", "projections"], true);
        let threshold = self.threshold(node);
        let own = node.get("name").and_then(|node| self.text(node, "name"));
        let name = match (own, &threshold) {
            (Some(name), _) => format!("{model}, {name}"),
            (None, Some(threshold)) => format!("{model} at {}", threshold.text),
            (None, None) => model.to_owned(),
        };
        Point {
            policy: node.get("policy").and_then(|node| self.policy(node)),
            measures: self.measures(node),
            projections: self.list(node, "projections").iter().map(|node| self.projection(node)).collect(),
            threshold,
            name,
        }
    }

    fn measures(&mut self, node: &Node) -> Vec<(Measure, Stated)> {
        let mut measures: Vec<(Measure, Stated)> = Vec::new();
        for entry in node.entries() {
            let Some(measure) = Measure::of_key(&entry.key).filter(|_| entry.value.kind != Kind::Null) else {
                continue;
            };
            let Some(stated) = self.number(&entry.value, &entry.key) else { continue };
            let is_sound = !measure.is_count() || self.is_count(&stated, &entry.key);
            if measures.iter().any(|(known, _)| *known == measure) {
                let message = format!("`{}` says again what another key of the point says", entry.key);
                self.fault(entry.key_span, message, "keep one of them");
            } else if is_sound {
                measures.push((measure, stated));
            }
        }
        measures
    }

    fn projection(&mut self, node: &Node) -> Projection {
        let keys: Vec<&str> = ["sample"].into_iter().chain(PROJECTED).collect();
        self.known(node, "a projection", &keys, false);
        Projection { sample: self.sample_named(node, "sample"), measures: self.measures(node) }
    }

    fn policy(&mut self, node: &Node) -> Option<Policy> {
        let text = self.text(node, "policy")?;
        let beta = match Measure::of_key(&text) {
            Some(Measure::FBeta(beta)) => Some(Policy::FBeta(beta)),
            _ if text == "cost" => Some(Policy::Cost),
            _ => None,
        };
        if beta.is_none() {
            self.fault(node.span, format!("unknown policy `{text}`"), "write cost, f1, f2 or another F-beta");
        }
        beta
    }

    fn costs(&mut self, node: &Node) -> Option<Costs> {
        self.known(node, "costs", COSTS, false);
        let [fp, fnn, tp, tn] = COSTS else { return None };
        let (false_positive, false_negative) = (self.given(node, fp), self.given(node, fnn));
        let (true_positive, true_negative) = (self.given(node, tp), self.given(node, tn));
        for (key, found) in [(fp, &false_positive), (fnn, &false_negative)] {
            if found.is_none() && node.get(key).is_none() {
                self.fault(node.span, format!("costs have no `{key}`"), "");
            }
        }
        Some(Costs { false_positive: false_positive?, false_negative: false_negative?, true_positive, true_negative })
    }

    fn change(&mut self, node: &Node) -> Change {
        self.known(node, "a change", CHANGE, false);
        let several = |reader: &mut Self, key: &str| -> Vec<Stated> {
            match node.get(key).map(|value| (&value.kind, value)) {
                None | Some((Kind::Null, _)) => Vec::new(),
                Some((Kind::List(items), _)) => items.iter().filter_map(|item| reader.number(item, key)).collect(),
                Some((_, value)) => reader.number(value, key).into_iter().collect(),
            }
        };
        Change {
            what: node.get("what").and_then(|node| self.text(node, "what")).unwrap_or_else(|| "the change".to_owned()),
            from: self.given(node, "from"),
            to: self.given(node, "to"),
            difference: several(self, "difference"),
            relative: several(self, "relative"),
            span: node.span,
        }
    }
}
