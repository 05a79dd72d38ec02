//! Settles what is plainly fresh before the loop begins.
//!
//! Most stages of most runs are fresh, and their hints say so. Giving each of them a thread would cost more than the
//! comparison. Whatever a glance does not settle takes the ordinary way.

use rayon::prelude::*;

use super::events::{EventSink, Outcome};
use super::queue::Queue;
use super::run::Runner;
use crate::config::StageName;
use crate::store::Lock;

impl Runner<'_> {
    /// Ends the stages that are fresh and wait for none that is not.
    pub(super) fn settle_fresh(
        &self,
        selected: &[StageName],
        lock: &Lock,
        queue: &mut Queue<'_>,
        sink: &mut dyn EventSink,
    ) {
        if self.options.plan.force || self.cancel.is_requested() {
            return;
        }
        let workspace = self.workspace;
        let glance = workspace.glance(selected);
        let is_fresh = |name: &StageName| {
            let stage = workspace.stage(name);
            !stage.frozen && workspace.is_fresh(stage, lock, self.options.plan.allow_missing, &glance)
        };
        let fresh: Vec<bool> = selected.par_iter().map(is_fresh).collect();
        for (name, is_fresh) in selected.iter().zip(fresh) {
            if is_fresh && queue.is_ready(name) {
                queue.finish(name, Outcome::Fresh, 0.0, String::new(), sink);
            } else if self.options.in_order {
                // What comes later may be changed by this one.
                return;
            }
        }
    }
}
