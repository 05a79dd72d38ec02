//! What an OpenLineage file needs to know of the project, the clock and chance.
//!
//! Run ids are UUIDs of version 7: a run is an event in time, and doing the same work twice is two runs.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::project::Opened;
use crate::config::StageDef;
use crate::console::{Clock, Job, Lines, Namespace, OpenLineageConsole};
use crate::util::utc;

/// The variable that OpenLineage's own clients read.
const NAMESPACE: &str = "OPENLINEAGE_NAMESPACE";

/// The console of a project that writes to `lines`.
pub(super) fn console(opened: &Opened, lines: Lines) -> OpenLineageConsole {
    let pipeline = &opened.project.pipeline;
    let named = opened.env.get(NAMESPACE).filter(|name| !name.is_empty()).cloned();
    let stem = Path::new(pipeline.file.as_str()).file_stem().and_then(|stem| stem.to_str()).unwrap_or("pipeline");
    let namespace = Namespace { name: named.unwrap_or_else(|| "clinpipe".to_owned()), pipeline: stem.to_owned() };
    let jobs = pipeline.stages.iter().map(|(name, stage)| (name.clone(), job(stage))).collect();
    let clock = Clock {
        now: Box::new(|| utc::rfc3339(SystemTime::now())),
        uuid: Box::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let mut random = [0; 10];
            // Without chance the time alone still tells the runs of one machine apart, and a run does not fail for it.
            let _time_alone = getrandom::fill(&mut random);
            uuid7(since.as_millis() as u64, random)
        }),
    };
    OpenLineageConsole::new(lines, namespace, jobs, clock)
}

fn job(stage: &StageDef) -> Job {
    Job {
        inputs: stage.deps.iter().filter(|dep| !dep.optional).map(|dep| dep.path.clone()).collect(),
        outputs: stage.outs.iter().map(|out| out.path.clone()).collect(),
        about: stage.desc.clone(),
    }
}

/// RFC 9562, version 7: 48 bits of milliseconds since 1970, then chance.
fn uuid7(millis: u64, random: [u8; 10]) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = bytes[6] & 0x0f | 0x70;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = u128::from_be_bytes(bytes);
    let hex = format!("{hex:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_time_version_and_variant() {
        // The example of RFC 9562, appendix A.6.
        let random = [0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
        assert_eq!(uuid7(0x017F_22E2_79B0, random), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        assert_eq!(uuid7(u64::MAX, [0xff; 10]), "ffffffff-ffff-7fff-bfff-ffffffffffff");
    }
}
