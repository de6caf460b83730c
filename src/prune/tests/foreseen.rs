//! What is said before a prune is what it then does, also where sessions are open.

use super::world::{World, files, prune};
use crate::access::Access;
use crate::content::{FrameWriter, PackStream, RawFrame};
use crate::frame::Compression;
use crate::id::{ChunkId, SessionId};
use crate::layout::Class;
use crate::progress::Silent;
use crate::prune::{self, PruneOptions, PruneSummary};
use crate::session::{self, History, Writer};
use crate::session_record::{self, Liveness, SessionBody, SessionDescription, SessionKind};
use crate::store::ObjectName;
use crate::wire::{Blob, List};
use crossbeam_channel::unbounded;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// A process of this machine that has ended.
fn dead_process() -> Liveness {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    Liveness {
        boot_id: crate::id::parse_hex(&boot_id.trim().replace('-', "")).unwrap(),
        pid_namespace: std::fs::metadata("/proc/self/ns/pid").unwrap().ino(),
        pid: child.id(),
        process_start_ticks: 1,
    }
}

/// Opens a session of a writer that was killed then, and returns the bytes of the pack that it left.
fn killed_writer(access: &Access) -> u64 {
    let client = session::load(access).unwrap().client;
    let number = History::load(access).unwrap().next_number(client);
    let id = SessionId { client, number };
    let body = SessionBody {
        id,
        kind: SessionKind::Checkpoint,
        started_at_ns: session::now_ns(),
        liveness: dead_process(),
        writer_version: Blob::from("test"),
    };
    let description = SessionDescription { host: Blob::default(), user: Blob::default(), command: List::default() };
    let sealed = session_record::seal(&body, Some(&description), &access.ring, &access.chain).unwrap();
    let _ = access.store.create(&ObjectName::Session(id), &sealed).unwrap();
    let (sender, closed) = unbounded();
    let stream = Arc::new(PackStream::new(access.clone(), Class::Content, Box::new(move || Ok(id)), sender));
    let mut frame = RawFrame::default();
    frame.chunks.push(b"left behind");
    frame.ids.push(ChunkId::from_bytes([9; 32]));
    FrameWriter::new(Arc::clone(&stream), Arc::default(), Compression::Off).store(&mut frame).unwrap();
    stream.end().unwrap();
    closed.try_iter().map(|pack| pack.finish(access).unwrap().facts().bytes).sum()
}

fn planned(access: &Access) -> PruneSummary {
    prune::plan(access, &PruneOptions::default(), &Silent).unwrap().summary().clone()
}

#[test]
fn what_a_killed_writer_left_is_said_to_go() {
    let world = World::new();
    world.back_up("a", &files(0..4, 10_000));
    let bytes = killed_writer(&world.client("a"));
    let access = world.client("owner");
    let summary = planned(&access);
    assert_eq!((summary.unused.bytes, summary.unused.pack_count), (bytes, 1), "{summary:?}");
    assert_eq!((summary.dead.len(), summary.awaited.len()), (1, 0), "{summary:?}");
    assert_eq!(summary.packs.pack_count, u64::try_from(world.pack_count()).unwrap());
    let report = prune(&access, &PruneOptions::default()).unwrap();
    assert_eq!((report.deleted.bytes, report.aborted.len()), (bytes, 1), "{report:?}");
}

#[test]
fn for_whom_a_prune_would_wait_is_said() {
    let world = World::new();
    let forgotten = world.back_up("a", &files(0..4, 10_000));
    world.back_up("a", &files(4..8, 10_000));
    world.forget(forgotten);
    let writer = world.client("a");
    let client = session::load(&writer).unwrap().client;
    let number = History::load(&writer).unwrap().next_number(client);
    let open = session::open(&writer, client, number, SessionKind::Backup, &Writer::default()).unwrap();
    let summary = planned(&world.client("owner"));
    assert_eq!(summary.awaited.iter().map(|session| session.id).collect::<Vec<_>>(), [open.id]);
    assert!(summary.unused.pack_count > 0 && summary.dead.is_empty(), "{summary:?}");
    let report = prune(&world.client("owner"), &PruneOptions::default()).unwrap();
    assert_eq!((report.deleted.pack_count, report.waiting[0].sessions[0].id), (0, open.id), "{report:?}");
}
