//! What is left out of the trees that a walk is given.

use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Statx, StatxAttributes};

use super::arguments::Arguments;
use super::file::QUIET;
use super::ignoring::{Ignoring, names_of};
use crate::fs::{device_of, look_at, open_quietly, read_at};
use crate::pattern::{PatternList, Rule, Standing};

/// What is left out of the trees that a walk is given. What was named itself is never left out; a directory that is, is
/// not read.
///
/// The [`Rule`] of each setter is what is shown with everything that is left out by it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Selection {
    lists: Vec<PatternList>,
    larger_than: Option<(u64, Arc<Rule>)>,
    not_to_be_dumped: Option<Arc<Rule>>,
    other_file_systems: Option<Arc<Rule>>,
    marks: Vec<Mark>,
    ignore_files: Vec<Vec<u8>>,
    git_ignore_files: Vec<Vec<u8>>,
}

/// A file by which a directory says that what is in it is to be left out.
#[derive(Debug, Clone)]
struct Mark {
    name: Vec<u8>,
    header: Vec<u8>,
    rule: Arc<Rule>,
}

impl Selection {
    /// Leaves out what one of the lists chooses; each list stands for itself.
    #[must_use]
    pub fn exclude(mut self, patterns: PatternList) -> Self {
        if !patterns.is_empty() {
            self.lists.push(patterns);
        }
        self
    }

    /// Leaves out what is no directory and longer than so many bytes.
    #[must_use]
    pub fn exclude_larger_than(mut self, bytes: u64, rule: Rule) -> Self {
        self.larger_than = Some((bytes, Arc::new(rule)));
        self
    }

    /// Leaves out what bears the file system's mark that it is not to be dumped (`chattr +d`).
    #[must_use]
    pub fn exclude_nodump(mut self, rule: Rule) -> Self {
        self.not_to_be_dumped = Some(Arc::new(rule));
        self
    }

    /// Stays in the file system of what was named: of a directory on which another one is mounted only the directory is
    /// taken, and nothing else that lies on another one.
    #[must_use]
    pub fn one_file_system(mut self, rule: Rule) -> Self {
        self.other_file_systems = Some(Arc::new(rule));
        self
    }

    /// Leaves out everything in a directory but the entry `name`, where there is one that begins with `header`; with an
    /// empty header it may be of any kind, otherwise it must be a regular file. May be given several times.
    #[must_use]
    pub fn exclude_if_present(mut self, name: impl Into<Vec<u8>>, header: impl Into<Vec<u8>>, rule: Rule) -> Self {
        self.marks.push(Mark { name: name.into(), header: header.into(), rule: Arc::new(rule) });
        self
    }

    /// Leaves out what is in directories with a `CACHEDIR.TAG` (Cache Directory Tagging Specification).
    #[must_use]
    pub fn exclude_caches(self, rule: Rule) -> Self {
        self.exclude_if_present("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55", rule)
    }

    /// Leaves out what files of this name say, each in its directory and below, written as git's `.gitignore` is. Those
    /// nearer to an entry count before those above. One that can't be read, or is longer than 1 MiB, says nothing.
    #[must_use]
    pub fn ignore_file(mut self, name: impl Into<Vec<u8>>) -> Self {
        self.ignore_files.push(name.into());
        self
    }

    /// Leaves out what files `.gitignore` say, each within the working tree of git that it lies in, or without any.
    #[must_use]
    pub fn git_ignore(mut self) -> Self {
        self.git_ignore_files = vec![b".gitignore".to_vec()];
        self
    }

    /// The ignore files that count in a directory, which is given by its handle and key bytes.
    pub(super) fn ignoring_in(
        &self,
        above: Ignoring,
        directory: (&OwnedFd, &[u8]),
        has: impl Fn(&[u8]) -> bool,
    ) -> Ignoring {
        above.within(directory, (&self.ignore_files, &self.git_ignore_files), has)
    }

    /// The rule by which nothing of another file system is taken.
    pub(super) fn staying(&self) -> Option<&Arc<Rule>> {
        self.other_file_systems.as_ref()
    }

    /// Whether this is the name of a mark.
    pub(super) fn has_mark(&self, name: &[u8]) -> bool {
        self.marks.iter().any(|mark| mark.name == name)
    }

    /// The marks in a directory, given by whether it has an entry of a name.
    pub(super) fn marks_in(&self, directory: &OwnedFd, has: impl Fn(&[u8]) -> bool) -> Marks<'_> {
        let here = self.marks.iter().filter(|mark| has(&mark.name) && mark.stands_in(directory));
        Marks(here.collect())
    }
}

/// The marks that one directory bears.
pub(super) struct Marks<'a>(Vec<&'a Mark>);

impl<'a> Marks<'a> {
    /// By which rule what else is there is left out, if at all.
    pub(super) fn rule(&self) -> Option<&'a Arc<Rule>> {
        self.0.first().map(|mark| &mark.rule)
    }

    /// The names that are taken nevertheless.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().map(|mark| mark.name.as_slice())
    }
}

impl Mark {
    fn stands_in(&self, directory: &OwnedFd) -> bool {
        self.header.is_empty() || self.begins_rightly(directory).unwrap_or(false)
    }

    /// What can't be read is no mark: whoever reads the file itself says so.
    fn begins_rightly(&self, directory: &OwnedFd) -> Option<bool> {
        let found = look_at(directory, self.name.as_slice()).ok()?;
        if FileType::from_raw_mode(found.stx_mode.into()) != FileType::RegularFile {
            return None;
        }
        let file = open_quietly(directory, &self.name, QUIET).ok()?;
        let mut begin = vec![0; self.header.len()];
        let filled = read_at(&file, 0, &mut begin).ok()?;
        Some(begin.get(..filled)? == self.header)
    }
}

/// Judges the entries of one directory.
pub(super) struct Judge<'a> {
    selection: &'a Selection,
    /// The names on the way to the directory, and while an entry is judged that of the entry.
    path: Vec<&'a [u8]>,
    standings: Vec<Standing>,
    ignoring: &'a Ignoring,
}

impl<'a> Judge<'a> {
    /// For the entries of the directory with these key bytes. What fits the argument that it lies in, or something above
    /// that, leaves out nothing there: whoever named it wants what is in it.
    pub(super) fn new(
        (selection, ignoring): (&'a Selection, &'a Ignoring),
        arguments: &Arguments,
        directory: &'a [u8],
    ) -> Self {
        let mut judge = Self { selection, path: Vec::new(), standings: Vec::new(), ignoring };
        if !selection.lists.is_empty() || !ignoring.is_empty() {
            judge.path.extend(names_of(directory));
            let (named, below) = judge.path.split_at(names_of(arguments.around(directory)).count());
            judge.standings.extend(selection.lists.iter().map(|list| list.standing_below(named, below)));
        }
        judge
    }

    /// The rule by which an entry is left out.
    pub(super) fn leaves_out(&mut self, name: &'a [u8], found: &Statx) -> Option<Arc<Rule>> {
        self.by_path(name, found).or_else(|| self.by_stat(found)).cloned()
    }

    fn by_path(&mut self, name: &'a [u8], found: &Statx) -> Option<&'a Arc<Rule>> {
        if self.standings.is_empty() && self.ignoring.is_empty() {
            return None;
        }
        self.path.push(name);
        let (selection, ignoring) = (self.selection, self.ignoring);
        let mut lists = selection.lists.iter().zip(&self.standings);
        let rule = lists.find_map(|(list, above)| list.chosen(list.standing_in(*above, &self.path)));
        let rule = rule.or_else(|| ignoring.leaves_out(&self.path, found));
        self.path.pop();
        rule
    }

    fn by_stat(&self, found: &Statx) -> Option<&'a Arc<Rule>> {
        let selection = self.selection;
        if let Some((bytes, rule)) = &selection.larger_than
            && found.stx_size > *bytes
            && FileType::from_raw_mode(found.stx_mode.into()) != FileType::Directory
        {
            return Some(rule);
        }
        selection.not_to_be_dumped.as_ref().filter(|_| found.stx_attributes.contains(StatxAttributes::NODUMP))
    }
}

/// The file system that a walk stays in, where it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Border {
    device: u64,
    mount: u64,
}

impl Border {
    /// Around the file system that holds this entry.
    pub(super) fn around(found: &Statx) -> Self {
        Self { device: device_of(found), mount: found.stx_mnt_id }
    }

    /// Whether another file system begins with this entry. A file that lies in the same mount is in the same one,
    /// whatever its device: overlays give those of the layers below.
    pub(super) fn ends_at(self, found: &Statx) -> bool {
        let other = Self::around(found);
        let is_directory = FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory;
        other.device != self.device && (is_directory || other.mount != self.mount)
    }
}
