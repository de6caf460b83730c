//! What each worker thread of a backup does from its beginning to its end.

use crate::backup::work::{Finished, Row, Worker};
use crate::content::RawFrame;
use crate::error::Result;
use crossbeam_channel::{Receiver, Sender, select};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many gathered frames may wait for an idle worker.
pub(super) const SURPLUS_FRAMES_MAX: usize = 2;

/// A batch on its way to a worker, and where its rows are awaited.
pub(super) type Task = (Vec<Row>, Sender<Finished>);

/// One worker: batches while there are any, other workers' frames whenever there are some.
pub(super) fn work(
    mut worker: Worker<'_>,
    own: Busy<'_>,
    tasks: &Receiver<Task>,
    surplus: &Receiver<RawFrame>,
) -> Result<()> {
    let handover = worker.handover();
    let busy = own.0;
    loop {
        while let Ok(frame) = surplus.try_recv() {
            worker.help(frame)?;
        }
        handover.idle_count.fetch_add(1, Ordering::Relaxed);
        let next = select! {
            recv(surplus) -> frame => frame.map(Next::Frame),
            recv(tasks) -> task => task.map(Next::Batch),
        };
        handover.idle_count.fetch_sub(1, Ordering::Relaxed);
        match next {
            Ok(Next::Frame(frame)) => worker.help(frame)?,
            Ok(Next::Batch((batch, finished))) => {
                let rows = worker.process(batch)?;
                // Nobody waits for it only when the run has failed elsewhere.
                let _ = finished.send(rows);
            }
            Err(_) => break,
        }
    }
    worker.flush()?;
    drop(own);
    help_to_the_end(&mut worker, surplus, busy)
}

/// A worker that may still hand frames to others.
pub(super) struct Busy<'a>(pub(super) &'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

enum Next {
    Frame(RawFrame),
    Batch(Task),
}

/// No batch will come any more: stays for the frames of workers that still have one.
pub(super) fn help_to_the_end(worker: &mut Worker<'_>, surplus: &Receiver<RawFrame>, busy: &AtomicUsize) -> Result<()> {
    let handover = worker.handover();
    handover.idle_count.fetch_add(1, Ordering::Relaxed);
    let ended = loop {
        match surplus.recv_timeout(Duration::from_millis(2)).map(|frame| worker.help(frame)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break Err(error),
            Err(_) if busy.load(Ordering::Acquire) == 0 && surplus.is_empty() => break Ok(()),
            Err(_) => {}
        }
    };
    handover.idle_count.fetch_sub(1, Ordering::Relaxed);
    ended
}
