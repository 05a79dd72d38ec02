//! How a project uses its store: the kind of workspace files, and the remotes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How files get from the store into the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Link {
    /// A copy of its own.
    Copy,
    /// A copy that shares blocks until it is written, where the file system can; else a copy.
    #[default]
    Reflink,
    /// The stored file itself, read-only; a copy where the file system cannot.
    Hardlink,
}

impl Link {
    /// The kinds by their name in the pipeline file.
    pub const NAMES: [(&'static str, Self); 3] =
        [("copy", Self::Copy), ("reflink", Self::Reflink), ("hardlink", Self::Hardlink)];
}

/// `store:` of the pipeline file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreSettings {
    /// How files get into the workspace.
    pub link: Link,
    /// The remote that is meant when none is named: one of `remotes`.
    pub remote: Option<String>,
    /// Directories by name, as written: relative ones start at the pipeline file.
    pub remotes: BTreeMap<String, String>,
}
