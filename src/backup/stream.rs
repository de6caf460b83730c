//! Components that are no file trees: what a command writes, or what can be read from an open file.
//!
//! A stream is cut, claimed and framed as a file is, by one thread; the others compress what it gathers. No parent is
//! asked: whether the repository has a chunk is known by its id alone.

use crate::backup::assemble::Owners;
use crate::backup::metadata;
use crate::backup::pipeline::Run;
use crate::backup::problem::ProblemKind;
use crate::backup::work::{Shared, Worker};
use crate::chunk::Chunker;
use crate::content::surplus;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::is_name;
use crate::id::NodeId;
use crate::manifest::{Body, Content, Entry, ItemTreeBuilder, Key, Timestamp, TreeBuilder};
use crate::outcome::TEXT_BYTES_MAX;
use crate::progress::Event;
use crate::session::{self, OpenPacks};
use crate::source::{Role, SourceStream, StreamError, StreamInput, Trees};
use crate::threads;

/// Whether there can be a snapshot without a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Need {
    /// There can't: when it fails there is no snapshot.
    #[default]
    Required,
    /// There can: when it fails the snapshot says that it is missing, and why.
    Optional,
}

/// A component that is no file tree.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamSource {
    pub(crate) name: Vec<u8>,
    pub(crate) input: StreamInput,
    pub(crate) need: Need,
}

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamFate {
    /// It is in the snapshot.
    Stored {
        /// How long it is.
        bytes: u64,
    },
    /// It is not.
    Missing {
        /// Why.
        reason: String,
    },
}

impl StreamSource {
    /// A required component, which is restored as a file `name` in the root of the snapshot.
    pub fn new(name: impl Into<Vec<u8>>, input: StreamInput) -> Self {
        Self { name: name.into(), input, need: Need::Required }
    }

    /// Whether there can be a snapshot without it.
    #[must_use]
    pub const fn need(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    /// Where its file stands in the snapshot.
    pub(super) fn key(&self) -> Result<Key> {
        let refused = |why: &str| {
            let name = self.name.escape_ascii();
            Error::new(ErrorKind::Invalid, format!("\"{name}\" can't be the name of a component: {why}"))
        };
        if self.name.len() > TEXT_BYTES_MAX {
            return Err(refused("it is longer than 1024 bytes"));
        }
        if !is_name(&self.name) {
            return Err(refused("a file in the root of the snapshot must be able to bear it"));
        }
        Key::parse(self.name.clone()).map_err(|_| refused("it is too long"))
    }
}

/// Fails unless every component has a name of its own, and one that the trees don't use.
///
/// # Errors
/// [`ErrorKind::Invalid`].
pub(super) fn check_names(streams: &[StreamSource], trees: &dyn Trees) -> Result<()> {
    let mut taken: Vec<Key> = Vec::new();
    for stream in streams {
        let key = stream.key()?;
        let refused = |why: &str| Err(Error::new(ErrorKind::Invalid, format!("the component {key} {why}")));
        if taken.contains(&key) {
            return refused("is there twice; give each a name of its own");
        }
        let is_in_root = |tree: &Key| tree.is_root() && trees.stat(&key).is_ok();
        if trees.arguments().iter().any(|tree| tree.is_within(&key) || is_in_root(tree)) {
            return refused("would lie where a tree lies; give it another name");
        }
        taken.push(key);
    }
    Ok(())
}

/// What is left of a stream when it was read.
pub(super) struct Kept {
    /// Root of its manifest; none when it is missing.
    pub manifest: Option<NodeId>,
    /// The owners of what is in it.
    pub owners: Owners,
    /// What became of it.
    pub fate: StreamFate,
}

/// What ends the reading of a stream.
enum Stopped {
    Source(StreamError),
    Run(Error),
}

impl From<StreamError> for Stopped {
    fn from(error: StreamError) -> Self {
        Self::Source(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

impl Run<'_> {
    /// Stores one stream after the other.
    ///
    /// # Errors
    /// [`ErrorKind::CommandFailed`] when a required one fails; or when the repository fails or the caller stops.
    pub(super) fn store_streams(&self, shared: &Shared<'_>, packs: &OpenPacks) -> Result<Vec<Kept>> {
        self.inputs.iter().map(|input| self.store_stream(shared, packs, input)).collect()
    }

    fn store_stream(&self, shared: &Shared<'_>, packs: &OpenPacks, input: &StreamSource) -> Result<Kept> {
        let key = input.key()?;
        let error = match self.read_stream(shared, packs, input) {
            Ok((content, bytes)) => {
                self.progress.event(&Event::Processed { files: 1, bytes });
                let (manifest, owners) = manifest(shared, &key, content)?;
                return Ok(Kept { manifest: Some(manifest), owners, fate: StreamFate::Stored { bytes } });
            }
            Err(Stopped::Run(error)) => return Err(error),
            Err(Stopped::Source(StreamError::Stopped)) => return Err(Error::stopped()),
            Err(Stopped::Source(error)) => error,
        };
        let reason = crate::error::chain(&error);
        if input.need == Need::Required {
            let name = input.name.escape_ascii();
            return Err(Error::new(
                ErrorKind::CommandFailed,
                format!("no snapshot was made: the component \"{name}\" can't be had: {reason}"),
            ));
        }
        self.problems.add(metadata::path_of(&key), ProblemKind::Missing, reason.clone());
        Ok(Kept { manifest: None, owners: Owners::default(), fate: StreamFate::Missing { reason } })
    }

    /// Reads in this thread, and has the others compress.
    fn read_stream(
        &self,
        shared: &Shared<'_>,
        packs: &OpenPacks,
        input: &StreamSource,
    ) -> Result<(Content, u64), Stopped> {
        std::thread::scope(|scope| {
            let (surplus_sender, surplus) = surplus();
            let mut worker = self.worker(shared, packs, surplus_sender);
            let helpers: Vec<_> = (1..self.access.threads)
                .map(|_| {
                    let (mut writer, surplus) = (packs.content_writer(), surplus.clone());
                    threads::start(scope, move || surplus.store_all(&mut writer))
                })
                .collect::<Result<_, _>>()
                .map_err(Error::from)?;
            let read = worker.stream(&input.input);
            let flushed = worker.framer.finish();
            let helped: Result<Vec<()>> = helpers.into_iter().map(threads::join).collect();
            let read = read?;
            flushed?;
            helped?;
            Ok(read)
        })
    }
}

impl Worker<'_> {
    /// Cuts a stream and gathers what is new in it; gives its content and how long it is.
    fn stream(&mut self, input: &StreamInput) -> Result<(Content, u64), Stopped> {
        let shared = self.shared;
        let naming = &shared.access.naming;
        let inline_bytes_max = usize::try_from(shared.access.config().parameters.inline_bytes_max).unwrap_or(0);
        let (mut chunker, mut list) = (Chunker::new(naming.cutter()), naming.item_list());
        let (mut bytes, mut head) = (0u64, Vec::new());
        let mut push = |worker: &mut Self, list: &mut ItemTreeBuilder, part: &[u8]| -> Result<()> {
            let mut failure = Ok(());
            chunker.push(part, |piece| {
                if failure.is_ok() {
                    failure = worker.take_piece(&piece, list);
                }
            });
            failure
        };
        let mut stream = SourceStream::start(input)?;
        stream.read::<Stopped>(
            || shared.progress.stopped(),
            |part| {
                bytes = bytes.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
                // What turns out to be short enough stands in its entry, as with files.
                if bytes <= u64::try_from(inline_bytes_max).unwrap_or(u64::MAX) {
                    head.extend_from_slice(part);
                    return Ok(());
                }
                push(self, &mut list, &std::mem::take(&mut head))?;
                Ok(push(self, &mut list, part)?)
            },
        )?;
        if bytes == u64::try_from(head.len()).unwrap_or(u64::MAX) {
            return Ok((Content::Inline(head), bytes));
        }
        let mut failure = Ok(());
        chunker.finish(|piece| {
            if failure.is_ok() {
                failure = self.take_piece(&piece, &mut list);
            }
        });
        failure?;
        let items = list.finish(&mut *shared.nodes()).map_err(Error::from)?;
        Ok((items.map_or_else(Content::empty, Content::Items), bytes))
    }
}

/// Stores the manifest of a stream: the root as an ancestor, and one file in it, for its owner alone.
fn manifest(shared: &Shared<'_>, key: &Key, content: Content) -> Result<(NodeId, Owners)> {
    let root = Key::root();
    let top = metadata::entry(&root, &shared.source.stat(&root)?, Role::Ancestor);
    let file = Entry {
        mode: 0o600,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Timestamp::from_ns(session::now_ns()),
        ..Entry::new(key.clone(), Body::File(content))
    };
    let naming = &shared.access.naming;
    let mut nodes = shared.nodes();
    let mut tree = TreeBuilder::new(&naming.boundary, naming.manifest_means);
    tree.push(&top, &mut *nodes)?;
    tree.push(&file, &mut *nodes)?;
    let root = tree.finish(&mut *nodes)?;
    nodes.flush()?;
    let owners = Owners { users: [top.uid, file.uid].into(), groups: [top.gid, file.gid].into() };
    Ok((root, owners))
}
