//! What a restore said of single items, so that what it could not do is told apart from what it did wrong.

use crate::restore::{RestoreProblem, RestoreProblemKind, RestoreReport};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The problems of a restore by path. Memory: at most those that its report keeps.
#[derive(Debug, Default)]
pub(super) struct Told {
    problems: BTreeMap<PathBuf, Vec<RestoreProblemKind>>,
    /// Whether there were more than the report keeps.
    is_cut: bool,
}

impl Told {
    pub(super) fn of(report: &RestoreReport) -> Self {
        let mut problems: BTreeMap<PathBuf, Vec<RestoreProblemKind>> = BTreeMap::new();
        for RestoreProblem { path, kind, .. } in &report.problems {
            problems.entry(path.clone()).or_default().push(*kind);
        }
        let kept = u64::try_from(report.problems.len()).unwrap_or(u64::MAX);
        Self { problems, is_cut: kept < report.problem_count }
    }

    /// Whether stored bytes of an item are known to be lost.
    pub(super) fn is_lost(&self, path: &Path) -> bool {
        self.has(path, RestoreProblemKind::Damaged)
    }

    /// Whether the target is known not to have taken an item. Where not all problems were kept, nothing is held against
    /// a snapshot for what may be one of them.
    pub(super) fn is_refused(&self, path: &Path) -> bool {
        self.is_cut || self.has(path, RestoreProblemKind::Refused)
    }

    /// The same of some of its metadata.
    pub(super) fn is_bare(&self, path: &Path) -> bool {
        self.is_cut || self.has(path, RestoreProblemKind::Metadata)
    }

    fn has(&self, path: &Path, kind: RestoreProblemKind) -> bool {
        self.problems.get(path).is_some_and(|kinds| kinds.contains(&kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_no_longer_names_excuses_what_the_place_may_not_take_and_no_lost_byte() {
        let problem = RestoreProblem { path: "/a".into(), kind: RestoreProblemKind::Refused, message: String::new() };
        let mut report = RestoreReport { problems: vec![problem], problem_count: 1, ..RestoreReport::default() };
        let (named, other) = (Path::new("/a"), Path::new("/b"));
        let told = Told::of(&report);
        assert!(told.is_refused(named) && !told.is_bare(named) && !told.is_lost(named) && !told.is_refused(other));
        report.problem_count = 2;
        let told = Told::of(&report);
        assert!(told.is_refused(other) && told.is_bare(other) && !told.is_lost(other));
    }
}
