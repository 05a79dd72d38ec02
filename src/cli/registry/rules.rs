//! The conditions of a promotion that are not numbers: the gate's verdict, people, signatures, the audit chain; and the
//! files that say what is demanded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::candidate::Loaded;
use super::record;
use crate::audit::{Chain, Meaning, PublicKeys, SignatureFound, Verdict, verify_signed};
use crate::cli::error::UsageError;
use crate::cli::project::Opened;
use crate::config::{Source, fault_at, read_typed};
use crate::key::Digest;
use crate::registry::{ControlPlan, POLICIES, Policy, Registry, Ruling};
use crate::util::RelPath;
use crate::util::visible::is_hidden;

/// Where the policy is looked for when none is named.
const POLICY: &str = "promotion.yaml";
/// The change control plan, which holds wherever it exists.
pub(super) const PLAN: &str = "pccp.yaml";

/// A file of rules as it was read.
pub(super) struct Given<T> {
    pub rules: T,
    /// Its path, or the name of a policy.
    pub name: String,
    /// The digest of its text.
    pub digest: Option<Digest>,
}

/// The policy that was asked for. What the project's promotion.yaml demands of people holds under any other as well.
pub(super) fn policy(opened: &Opened, asked: Option<&str>) -> anyhow::Result<Given<Policy>> {
    let mut given = numbers(opened, asked)?;
    if asked.is_some() {
        let own = numbers(opened, None)?.rules;
        given.rules.four_eyes |= own.four_eyes;
        given.rules.signatures.extend(own.signatures);
        given.rules.signatures.sort();
        given.rules.signatures.dedup();
        given.rules.signature_keys = own.signature_keys.or(given.rules.signature_keys);
    }
    Ok(given)
}

fn numbers(opened: &Opened, asked: Option<&str>) -> anyhow::Result<Given<Policy>> {
    if let Some(rules) = asked.and_then(Policy::named) {
        return Ok(Given { rules, name: asked.unwrap_or_default().to_owned(), digest: None });
    }
    let root = &opened.project.pipeline.root;
    let source = match asked {
        Some(path) => {
            let help = format!("name a file, or one of {}", POLICIES.join(", "));
            let text = std::fs::read_to_string(path)
                .map_err(|error| UsageError::new(format!("cannot read the policy {path}: {error}"), help))?;
            Some(Source::new(path, &text))
        }
        None => source(root, POLICY)?,
    };
    let Some(source) = source else {
        return Ok(Given { rules: Policy::default(), name: POLICIES[0].to_owned(), digest: None });
    };
    let rules: Policy = read_typed(&source)?;
    rules.check().map_err(|(path, message)| fault_at(&source, &path, &message))?;
    Ok(Given { rules, name: source.name.clone(), digest: Some(Digest::of(source.text.as_bytes())) })
}

/// The change control plan of the project, if it has one.
pub(super) fn plan(opened: &Opened) -> anyhow::Result<Option<Given<ControlPlan>>> {
    let Some(source) = source(&opened.project.pipeline.root, PLAN)? else { return Ok(None) };
    let rules: ControlPlan = read_typed(&source)?;
    rules.check().map_err(|(path, message)| fault_at(&source, &path, &message))?;
    Ok(Some(Given { name: source.name.clone(), rules, digest: Some(Digest::of(source.text.as_bytes())) }))
}

fn source(root: &Path, name: &str) -> anyhow::Result<Option<Source>> {
    let Some(path) = RelPath::parse(name) else { return Ok(None) };
    Ok(Source::read(root, &path).map_err(crate::config::ConfigErrors::from)?)
}

/// Whether the gate passed this very bundle.
pub(super) fn gate(candidate: &Loaded) -> Ruling {
    let fail = |reason: String| Ruling::new("gate", false, reason);
    let evaluated = candidate.metrics["evaluated"]["bundle"].as_str().unwrap_or_default();
    if evaluated != candidate.digest.to_string() {
        return fail("metrics.json is of another bundle: run `clinpipe repro`".to_owned());
    }
    let rules = candidate.verdict["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if candidate.verdict["metrics"].as_str().is_some_and(|judged| judged != candidate.judged.to_string()) {
        return fail("verdict.json is of other metrics: run `clinpipe repro`".to_owned());
    }
    match candidate.verdict.get("promotable").filter(|_| candidate.verdict["metrics"].is_string()) {
        Some(Value::Bool(true)) if !rules.is_empty() => {
            Ruling::new("gate", true, format!("all {} rules hold", rules.len()))
        }
        Some(Value::Bool(_)) => {
            let failed = rules.iter().filter(|rule| rule["passed"] != Value::Bool(true));
            let reasons: Vec<&str> = failed.filter_map(|rule| rule["reason"].as_str()).collect();
            fail(format!("not passed: {}", reasons.join("; ")))
        }
        _ => fail("there is no verdict: the pipeline needs a stage `gate` over these metrics".to_owned()),
    }
}

/// Whether the papers of a version of the registry are those that the audit chain vouches for.
pub(super) fn registered(opened: &Opened, registry: &Registry, version: &Loaded) -> anyhow::Result<Ruling> {
    let told = record::papers(opened, registry, version.digest)?;
    let holds = told == Some(version.version.digest()?);
    let reason = match told {
        _ if holds => "are those that the audit chain vouches for",
        Some(_) => "are not those that the audit chain tells of; promote it from its pipeline, or restore them",
        None => "have no record in the audit chain; promote it from its pipeline",
    };
    Ok(Ruling::new("registered", holds, format!("the papers of {} {reason}", version.digest.short())))
}

/// Whether two names, as people type them, are of one person: blanks and case tell nobody apart.
fn is_same(a: &str, b: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(a) == plain(b)
}

/// Refuses names that nobody can read or that look like another one by signs that do not show.
pub(super) fn check_names(names: &[Option<&str>]) -> Result<(), UsageError> {
    match names.iter().flatten().find(|name| name.trim().is_empty() || name.chars().any(is_hidden)) {
        Some(name) => Err(UsageError::new(
            format!("{name:?} is no name"),
            "give --author and --approver names in letters that can be seen",
        )),
        None => Ok(()),
    }
}

/// Who does what.
pub(super) struct People<'a> {
    pub author: &'a str,
    pub approver: Option<&'a str>,
}

impl People<'_> {
    /// Whether two people stand behind it, where two are demanded.
    pub(super) fn ruling(&self, four_eyes: bool) -> Option<Ruling> {
        let told = match self.approver {
            Some(approver) => format!("author {}, approver {approver}", self.author),
            None => format!("author {}, no approver", self.author),
        };
        let is_other = self.approver.is_some_and(|approver| !is_same(approver, self.author));
        four_eyes
            .then(|| Ruling::new("four_eyes", is_other, format!("{told}; somebody other than the author must approve")))
    }
}

/// Whether the chain holds together, and the signatures in it that fit.
pub(super) fn audited(chain: &Chain, policy: &Policy, root: &Path) -> anyhow::Result<(Ruling, Verdict)> {
    let keys = policy.signature_keys.as_ref().map(|dir: &PathBuf| PublicKeys::read(&root.join(dir)));
    let keys =
        keys.transpose().map_err(|error| UsageError::new(error.to_string(), "see `signature_keys` of the policy"))?;
    let read = |keys: Option<&PublicKeys>| -> anyhow::Result<Verdict> {
        Ok(match chain.read()? {
            Some(file) => verify_signed(file, &[], keys)?,
            None => Verdict::default(),
        })
    };
    // A signature by a stranger is no fault of the chain; it only does not count.
    let (plain, known) = (read(None)?, read(keys.as_ref())?);
    let ruling = match &plain.fault {
        Some(fault) => {
            let line = fault.line.map(|line| format!(" (line {line})")).unwrap_or_default();
            Ruling::new("audit_chain", false, format!("does not hold together{line}: {}", fault.message))
        }
        None => Ruling::new("audit_chain", true, format!("{} records hold together", plain.records)),
    };
    Ok((ruling, known))
}

/// Whether the candidate bears the signatures that are demanded.
pub(super) fn signatures(policy: &Policy, candidate: Digest, author: &str, chain: &Verdict) -> Vec<Ruling> {
    let known = || chain.signatures.iter().filter(|found| found.known && found.digest == candidate);
    let wrote = |found: &SignatureFound| {
        let authors = || known().filter(|found| found.meaning == Meaning::Authorship);
        is_same(&found.signer, author)
            || authors().any(|other| is_same(&other.signer, &found.signer) || other.key == found.key)
    };
    let of = |meaning: &String| {
        let fits = known().filter(|found| found.meaning.name() == meaning);
        let others = fits.filter(|found| found.meaning != Meaning::Approval || !wrote(found));
        let signers: BTreeSet<&str> = others.map(|found| found.signer.as_str()).collect();
        let told = if signers.is_empty() {
            format!(
                "nobody who may has signed it; `clinpipe audit sign --meaning {meaning} --object DIR --key FILE` does"
            )
        } else {
            format!("by {}", signers.into_iter().collect::<Vec<_>>().join(", "))
        };
        Ruling::new(format!("signature.{meaning}"), !told.starts_with("nobody"), told)
    };
    policy.signatures.iter().map(of).collect()
}
