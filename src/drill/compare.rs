//! What was restored against the manifest, entry by entry.

use crate::access::Access;
use crate::content::ContentReader;
use crate::drill::content::{Bytes, Sameness, Unread};
use crate::drill::expected::{Owners, attribute_differences};
use crate::drill::finding::{DrillFindingKind, Findings};
use crate::drill::live::{self, Standing, is_of_rights};
use crate::drill::part::{Compared, Part};
use crate::drill::pick::Pick;
use crate::drill::restored::{DrillRestore, Step, walk};
use crate::drill::told::Told;
use crate::drill::{Drill, DrillReport};
use crate::error::{Result, chain};
use crate::manifest::{Attribute, Body, Content, Entry, Key, Kind, decode_xattrs, is_stream};
use crate::outcome::ComponentKind;
use crate::progress::{Event, Progress};
use crate::record::{DRILL_SHARE_WHOLE, DrillCommand, DrillResult};
use crate::restore::{Below, RestoreProblemKind};
use crate::session::Snapshot;
use crate::source::{Source, SourceError, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::time::Instant;

impl DrillRestore {
    /// Reads back what was restored and compares it with the manifest and, if that is wanted, with live files. Differences
    /// are data in the report. Memory: a chunk, and the nodes on the way to an entry.
    ///
    /// # Errors
    /// When the store or the folder can't be read at all, or the caller stops. What was restored is removed then.
    pub fn compare(self, access: &Access, progress: &dyn Progress) -> Result<Drill> {
        let started = Instant::now();
        progress.event(&Event::Phase("comparing"));
        progress.event(&Event::Estimated { files: self.plan.file_count, bytes: self.plan.bytes });
        // Else it would be compared with what the kernel remembers of it, not with what its disk holds.
        self.scratch.sync()?;
        let reader = ContentReader::new(access.clone());
        let snapshot = &self.plan.snapshot;
        let source = if self.compares_live() { Some(live::source_of(snapshot)?) } else { None };
        let restored = Source::below(self.scratch.folder())?;
        let mut findings = Findings::new(progress);
        tell_lost(&self, &mut findings);
        let mut comparison = Comparison {
            reader: &reader,
            restored: &restored,
            pick: self.plan.pick,
            told: Told::of(&self.report),
            findings,
            tally: Tally::default(),
            bytes: Bytes::new(&reader, progress),
            progress,
        };
        for number in 0..snapshot.components.len() {
            comparison.component(snapshot, number, source.as_ref())?;
        }
        let Comparison { findings, tally, .. } = comparison;
        let result = self.result(&findings, &tally);
        let report = DrillReport {
            snapshot: snapshot.id,
            folder: self.scratch.folder().to_path_buf(),
            result,
            live_passed_over_count: tally.live_passed_over_count,
            findings: findings.into_kept(),
            restore_duration: self.report.duration,
            compare_duration: started.elapsed(),
        };
        Ok(Drill { report, scratch: self.scratch })
    }

    fn result(&self, findings: &Findings<'_>, tally: &Tally) -> DrillResult {
        DrillResult {
            began_at_ns: self.began_at_ns,
            share_millionths: self.plan.options.sample.millionths().min(DRILL_SHARE_WHOLE),
            seed: self.plan.seed.unwrap_or(0),
            file_count: tally.file_count,
            other_count: tally.other_count,
            bytes: tally.bytes,
            differing_count: findings.differing_count(),
            left_count: findings.left_count(),
            live_file_count: tally.live_file_count,
            live_differing_count: findings.live_differing_count(),
            command: DrillCommand::None,
        }
    }
}

/// What the restore could not read, each path once.
fn tell_lost(restored: &DrillRestore, findings: &mut Findings<'_>) {
    let mut told = BTreeSet::new();
    let lost = restored.report.problems.iter().filter(|problem| problem.kind == RestoreProblemKind::Damaged);
    for problem in lost.filter(|problem| told.insert(&problem.path)) {
        findings.add(problem.path.clone(), DrillFindingKind::Lost, problem.message.clone());
    }
}

/// What has been compared so far.
#[derive(Default)]
struct Tally {
    file_count: u64,
    other_count: u64,
    bytes: u64,
    live_file_count: u64,
    live_passed_over_count: u64,
}

struct Comparison<'a> {
    reader: &'a ContentReader,
    restored: &'a Source,
    pick: Pick,
    told: Told,
    findings: Findings<'a>,
    tally: Tally,
    bytes: Bytes<'a>,
    progress: &'a dyn Progress,
}

/// What a comparison of one item says, but for its metadata.
enum Verdict {
    /// It is the same.
    Same,
    /// It is the same file as another name of it that was compared.
    SameAsBefore,
    /// It differs; how.
    Differs(String),
    /// What it should be is lost; why.
    Lost(String),
    /// It can't be read by this user; why.
    Unread(String),
}

impl<'a> Comparison<'a> {
    fn component(&mut self, snapshot: &Snapshot, number: usize, live: Option<&'a Source>) -> Result<()> {
        let Some(component) = snapshot.components.get(number) else { return Ok(()) };
        let Some(root) = component.manifest else {
            self.findings.leave();
            return Ok(());
        };
        // The restore has told of it.
        if component.kind == ComponentKind::Stream && !is_stream(self.reader, root)? {
            return Ok(());
        }
        let reader = self.reader;
        let mut part = Part::new(reader, (snapshot, number), component, live);
        walk(reader, root, self.progress, &mut |step| match step {
            Step::Entry(entry) => self.entry(entry, &mut part),
            Step::Gap(error) => {
                // A restore that met it has told of it as well, below the same path.
                if !self.told.is_lost(&Key::root().to_path()) {
                    self.findings.add(Key::root().to_path(), DrillFindingKind::Lost, chain(error));
                }
                Ok(Below::Visit)
            }
        })
    }

    fn entry(&mut self, entry: &Entry, part: &mut Part<'a>) -> Result<Below> {
        part.leave_until(&entry.key);
        if part.is_taken_before(entry) {
            self.findings.leave();
            return Ok(Below::Skip);
        }
        let is_directory = entry.kind() == Kind::Directory;
        if !self.pick.takes(entry) {
            if is_directory {
                part.way.push((entry.clone(), Compared::No));
            }
            return Ok(Below::Visit);
        }
        if entry.is_unreadable() {
            self.findings.leave();
        }
        if is_directory || !entry.is_unreadable() {
            self.way(part)?;
            self.item(entry, part)?;
        }
        if is_directory {
            part.way.push((entry.clone(), Compared::Yes));
        }
        Ok(Below::Visit)
    }

    /// Compares the directories that were made because something in them was picked.
    fn way(&mut self, part: &mut Part<'a>) -> Result<()> {
        let mut way = std::mem::take(&mut part.way);
        for (directory, compared) in way.iter_mut().filter(|(_, compared)| *compared == Compared::No) {
            *compared = Compared::Yes;
            // The folder itself was there, and keeps what it is unless it was picked.
            if !directory.key.is_root() {
                self.item(directory, part)?;
            }
        }
        part.way = way;
        Ok(())
    }

    fn item(&mut self, entry: &Entry, part: &mut Part<'a>) -> Result<()> {
        let path = entry.key.to_path();
        self.progress.event(&Event::Entered { path: &path });
        let found = match self.restored.stat(&entry.key) {
            Ok(found) if found.kind == entry.kind() => found,
            Ok(found) => return self.absent(entry, format!("{:?} is there instead of {:?}", found.kind, entry.kind())),
            Err(error) if is_gone(&error) => return self.absent(entry, "it is not there after the restore".to_owned()),
            Err(error) => {
                self.findings.leave_for(&entry.key, &chain(&error));
                return Ok(());
            }
        };
        let verdict = self.body(entry, &found, part)?;
        self.count(entry, &verdict);
        match &verdict {
            Verdict::Differs(message) if !self.told.is_lost(&path) => {
                self.findings.add(path.clone(), DrillFindingKind::Content, message.clone());
            }
            Verdict::Lost(message) if !self.told.is_lost(&path) => {
                self.findings.add(path.clone(), DrillFindingKind::Lost, message.clone());
            }
            Verdict::Unread(message) => self.findings.leave_for(&entry.key, message),
            Verdict::Differs(_) | Verdict::Lost(_) => {}
            Verdict::Same | Verdict::SameAsBefore => self.metadata(entry, &found, part)?,
        }
        if let (Some(content), false) = (entry.content(), matches!(verdict, Verdict::SameAsBefore)) {
            self.live(entry, content, part)?;
        }
        Ok(())
    }

    /// Something that was restored is not there.
    fn absent(&mut self, entry: &Entry, message: String) -> Result<()> {
        let path = entry.key.to_path();
        if self.told.is_refused(&path) {
            self.findings.leave();
        } else if !self.told.is_lost(&path) {
            self.findings.add(path, DrillFindingKind::Missing, message);
        }
        Ok(())
    }

    fn count(&mut self, entry: &Entry, verdict: &Verdict) {
        if matches!(verdict, Verdict::Unread(_)) {
            return;
        }
        let Some(content) = entry.content() else {
            self.tally.other_count = self.tally.other_count.saturating_add(1);
            return;
        };
        let bytes = if matches!(verdict, Verdict::SameAsBefore) { 0 } else { content.bytes() };
        self.tally.file_count = self.tally.file_count.saturating_add(1);
        self.tally.bytes = self.tally.bytes.saturating_add(bytes);
        self.progress.event(&Event::Processed { files: 1, bytes });
    }

    /// Compares what an item is made of.
    fn body(&mut self, entry: &Entry, found: &Stat, part: &mut Part<'a>) -> Result<Verdict> {
        if let Some(verdict) = self.group(entry, found, part)? {
            return Ok(verdict);
        }
        Ok(match &entry.body {
            Body::File(content) => return self.file(entry, content),
            Body::Symlink(target) => match self.restored.read_link(&entry.key) {
                Ok(found) if found == *target => Verdict::Same,
                Ok(found) => Verdict::Differs(format!("it leads to {}", found.escape_ascii())),
                Err(error) => Verdict::Unread(chain(&error)),
            },
            Body::CharDevice(device) | Body::BlockDevice(device) if found.special != *device => {
                let (major, minor) = (found.special.major, found.special.minor);
                Verdict::Differs(format!("it stands for device {major}:{minor}, not {}:{}", device.major, device.minor))
            }
            Body::CharDevice(_) | Body::BlockDevice(_) => Verdict::Same,
            Body::Directory | Body::Ancestor | Body::Fifo | Body::Socket | Body::Unknown => Verdict::Same,
        })
    }

    /// Whether an item is the same file as the names of its group before it; none where it is the first.
    fn group(&self, entry: &Entry, found: &Stat, part: &mut Part<'a>) -> Result<Option<Verdict>> {
        let Some(group) = &entry.group else { return Ok(None) };
        let own = [found.device.to_le_bytes(), found.inode.to_le_bytes()].concat();
        Ok(match part.groups.get(group.as_bytes())? {
            Some(first) if first == own => Some(Verdict::SameAsBefore),
            // It is restored by itself where it is not the same in the snapshot either, and that is said.
            Some(_) if self.told.is_bare(&entry.key.to_path()) => None,
            Some(_) => {
                Some(Verdict::Differs("it is not one file with the other names of its hard-link group".to_owned()))
            }
            None => {
                part.groups.put(group.as_bytes(), &own)?;
                None
            }
        })
    }

    fn file(&mut self, entry: &Entry, content: &Content) -> Result<Verdict> {
        let compared = self.restored.open_file(&entry.key).map_err(Unread::from).and_then(|file| {
            file.forget_below(content.bytes().max(1));
            self.bytes.compare(&file, content)
        });
        Ok(match compared {
            Ok(Sameness::Same) => Verdict::Same,
            Ok(Sameness::Differs { offset }) => {
                Verdict::Differs(format!("what was restored differs from the manifest from byte {offset} on"))
            }
            Ok(Sameness::Lost(error)) => Verdict::Lost(chain(&error)),
            Err(Unread::Refused(error)) if is_of_rights(&error) => Verdict::Unread(chain(&error)),
            Err(Unread::Refused(error)) => Verdict::Differs(format!("it can't be read back: {}", chain(&error))),
            Err(Unread::Ended(error)) => return Err(error),
        })
    }

    /// Compares what an item has beside its content. Of directories that several components hold the last one decides, and
    /// what is restored into them changes them again. The folder that all is restored into was there, and keeps what it has
    /// where the snapshot holds of its place only that it lay above what was backed up.
    fn metadata(&mut self, entry: &Entry, found: &Stat, part: &mut Part<'a>) -> Result<()> {
        let was_there = entry.key.is_root() && entry.body == Body::Ancestor;
        if was_there || (entry.kind() == Kind::Directory && part.is_shared(&entry.key)) {
            return Ok(());
        }
        let mut differences = part.owners.differences(entry, found);
        differences.extend(self.attributes(entry, &part.owners)?);
        let path = entry.key.to_path();
        if differences.is_empty() || self.told.is_lost(&path) {
            return Ok(());
        }
        if self.told.is_bare(&path) {
            self.findings.leave();
        } else {
            self.findings.add(path, DrillFindingKind::Metadata, differences.join("; "));
        }
        Ok(())
    }

    fn attributes(&self, entry: &Entry, owners: &Owners) -> Result<Vec<String>> {
        let wanted = match self.reader.attribute(entry, Attribute::XATTRS) {
            Ok(None) => Vec::new(),
            Ok(Some(value)) => match decode_xattrs(&value) {
                Ok(wanted) => wanted.into_iter().map(|xattr| owners.restored(xattr)).collect(),
                // The restore has told of it.
                Err(_) => return Ok(Vec::new()),
            },
            Err(error) if error.is_of_one_thing() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(match self.restored.xattrs(&entry.key) {
            Ok(found) if found.unread.iter().any(is_of_rights) => Vec::new(),
            Ok(found) => {
                let unread = found.unread.iter().filter(|_| !wanted.is_empty()).map(|error| chain(error));
                attribute_differences(&wanted, &found.xattrs).into_iter().chain(unread).collect()
            }
            Err(error) if wanted.is_empty() || is_of_rights(&error) => Vec::new(),
            Err(error) => vec![chain(&error)],
        })
    }

    fn live(&mut self, entry: &Entry, content: &Content, part: &mut Part<'a>) -> Result<()> {
        let Some(live) = &mut part.live else { return Ok(()) };
        let count = match live.compare(entry, content, &mut self.bytes)? {
            Standing::PassedOver => &mut self.tally.live_passed_over_count,
            Standing::Same => &mut self.tally.live_file_count,
            Standing::Differs(message) => {
                self.findings.add(entry.key.to_path(), DrillFindingKind::Live, message);
                &mut self.tally.live_file_count
            }
        };
        *count = count.saturating_add(1);
        Ok(())
    }
}

/// Whether nothing is there, or not even what it would be in.
fn is_gone(error: &SourceError) -> bool {
    let errno = Errno::from_raw_os_error(error.errno());
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}
