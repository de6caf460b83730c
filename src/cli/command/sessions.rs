//! `holdall sessions`

use crate::cli::arguments::{SessionsArguments, SessionsCommand};
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{self, moment};
use crate::cli::render::text::{self, Align};
use crate::cli::values::Moment;
use holdall::{AbortOutcome, HEARTBEAT_INTERVAL, SessionSpec, UndecidedSession, WriterProcess};

pub(crate) fn run(context: &Context<'_>, arguments: &SessionsArguments) -> Result<u8, Failure> {
    match &arguments.command {
        None => list(context),
        Some(SessionsCommand::Abort { session }) => abort(context, session),
    }
}

fn list(context: &Context<'_>) -> Result<u8, Failure> {
    let sessions = context.open(Access::Read)?.open_sessions()?;
    context.renderer.json(&sessions.iter().map(as_json).collect::<Vec<_>>());
    context.renderer.print(&table(&sessions));
    Ok(exit::DONE)
}

fn abort(context: &Context<'_>, spec: &SessionSpec) -> Result<u8, Failure> {
    let repository = context.open(Access::Write)?;
    let (id, outcome) = repository.abort_session(spec)?;
    match outcome {
        AbortOutcome::Aborted => {
            context.renderer.json(&json::AbortedSession { message_type: "session_aborted", id: id.to_string() });
            context.renderer.say(&format!("session {} aborted\n", SessionSpec::short(id)));
            Ok(exit::DONE)
        }
        AbortOutcome::TooLate(kind) => {
            let short = SessionSpec::short(id);
            Err(Failure::failed(format!("session {short} ended before it could be aborted, with the outcome {kind}")))
        }
    }
}

/// When a session gave its last sign of life, as far as its heartbeats tell by their number, by the clock of the machine that
/// runs it; not later than now, since the number may be higher than they are many.
fn last_sign_ns(session: &UndecidedSession) -> i64 {
    let beaten_ns = HEARTBEAT_INTERVAL.as_nanos().saturating_mul(session.beat_count.into());
    let counted = session.started_at_ns.saturating_add(i64::try_from(beaten_ns).unwrap_or(i64::MAX));
    counted.min(Moment::now().time_ns.max(session.started_at_ns))
}

fn table(sessions: &[UndecidedSession]) -> String {
    if sessions.is_empty() {
        return "no session is open\n".to_owned();
    }
    let columns = [
        ("ID", Align::Left),
        ("Kind", Align::Left),
        ("Host", Align::Left),
        ("User", Align::Left),
        ("Since", Align::Left),
        ("Last sign of life", Align::Left),
        ("Process", Align::Left),
        ("Command", Align::Left),
    ];
    text::table(&columns, &sessions.iter().map(row).collect::<Vec<_>>())
}

fn row(session: &UndecidedSession) -> Vec<String> {
    let (host, user, command) = match &session.writer {
        Some(writer) => {
            let words: Vec<String> = writer.command.iter().map(|word| text::printable(word)).collect();
            (text::printable(&writer.host), text::printable(&writer.user), words.join(" "))
        }
        None => ("(sealed)".to_owned(), String::new(), String::new()),
    };
    let process = match session.process {
        WriterProcess::Running { pid } => format!("runs here, {pid}"),
        WriterProcess::Gone { pid } => format!("gone, was {pid}"),
        WriterProcess::Elsewhere => "elsewhere".to_owned(),
    };
    vec![
        SessionSpec::short(session.id).to_string(),
        session.kind.to_string(),
        host,
        user,
        text::time(session.started_at_ns),
        text::time(last_sign_ns(session)),
        process,
        command,
    ]
}

fn as_json(session: &UndecidedSession) -> json::OpenSession {
    let lossy = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let (process, pid) = match session.process {
        WriterProcess::Running { pid } => ("running", Some(pid)),
        WriterProcess::Gone { pid } => ("gone", Some(pid)),
        WriterProcess::Elsewhere => ("elsewhere", None),
    };
    let writer = session.writer.as_ref();
    json::OpenSession {
        id: session.id.to_string(),
        short_id: SessionSpec::short(session.id).to_string(),
        kind: session.kind.to_string(),
        hostname: writer.map(|writer| lossy(&writer.host)),
        username: writer.map(|writer| lossy(&writer.user)),
        command: writer.map(|writer| writer.command.iter().map(lossy).collect()),
        started: moment(session.started_at_ns),
        last_sign_of_life: moment(last_sign_ns(session)),
        heartbeats: session.beat_count,
        process,
        pid,
    }
}
