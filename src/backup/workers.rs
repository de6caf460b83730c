//! What each worker thread of a backup does from its beginning to its end.

use crate::backup::work::{Finished, Row, Worker};
use crate::content::{RawFrame, Surplus};
use crate::error::Result;
use crossbeam_channel::{Receiver, Sender, select};

/// A batch on its way to a worker, and where its rows are awaited.
pub(super) type Task = (Vec<Row>, Sender<Finished>);

/// One worker: batches while there are any, other workers' frames whenever there are some, until nobody gathers any.
pub(super) fn work(mut worker: Worker<'_>, tasks: &Receiver<Task>, surplus: &Surplus) -> Result<()> {
    loop {
        surplus.store_waiting(worker.framer.writer())?;
        let next = surplus.idle(|frames| {
            select! {
                recv(frames) -> frame => frame.map(Next::Frame),
                recv(tasks) -> task => task.map(Next::Batch),
            }
        });
        match next {
            Ok(Next::Frame(frame)) => surplus.store(frame, worker.framer.writer())?,
            Ok(Next::Batch((batch, finished))) => {
                let rows = worker.process(batch)?;
                // Nobody waits for it only when the run has failed elsewhere.
                let _ = finished.send(rows);
            }
            Err(_) => break,
        }
    }
    surplus.store_all(&mut worker.framer.finish()?)
}

enum Next {
    Frame(RawFrame),
    Batch(Task),
}
