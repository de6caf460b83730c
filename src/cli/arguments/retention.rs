//! Options of the commands that say what is kept, and of those that look after sessions.

use super::KindArguments;
use crate::cli::snapshot_argument::whole_snapshot;
use crate::cli::values::{ByteSize, CountToKeep, GroupBy, Moment, Span, parse_max_unused, parse_span, parse_zone};
use clap::{Args, Subcommand};
use holdall::{CalendarSpan, KeepCount, MaxUnused, Period, RetentionPolicy, SessionSpec, SnapshotSpec, Zone};

/// `holdall forget`
#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// Forget exactly these: the start of an id, latest, or latest~N
    #[arg(value_name = "SNAPSHOT", value_parser = whole_snapshot(), conflicts_with = "KeepArguments")]
    pub(crate) snapshots: Vec<SnapshotSpec>,
    #[command(flatten)]
    pub(crate) keep: KeepArguments,
    /// Apply the policy to each group alone; an empty list makes one group of all
    #[arg(short, long, value_name = "host,paths,tags", default_value = "host,paths", conflicts_with = "snapshots")]
    pub(crate) group_by: GroupBy,
    /// By which clocks hours, days and weeks begin, as in Europe/Berlin [otherwise: this machine's]
    #[arg(long, value_name = "NAME", value_parser = parse_zone, conflicts_with = "snapshots")]
    pub(crate) time_zone: Option<Zone>,
    // Without the short form that other commands have: here that keeps snapshots of hours.
    /// Only snapshots of this host; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    #[command(flatten)]
    pub(crate) kind: KindArguments,
    /// Forget nothing, only say what would be forgotten
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Then delete what no snapshot needs any more, as `holdall prune` does
    #[arg(long, conflicts_with = "undo")]
    pub(crate) prune: bool,
    /// Bring these snapshots back, as long as no prune has collected what they need
    #[arg(long, requires = "snapshots", conflicts_with_all = ["dry_run", "KeepArguments"])]
    pub(crate) undo: bool,
}

/// What a policy keeps. A snapshot stays if any of these keeps it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What to keep (a snapshot stays if any of these keeps it)")]
pub(crate) struct KeepArguments {
    /// The last N snapshots (here and below: unlimited, or -1, for all)
    #[arg(short = 'l', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_last: Option<CountToKeep>,
    /// The newest snapshot of each of the last N hours that have one
    #[arg(short = 'H', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_hourly: Option<CountToKeep>,
    /// The newest snapshot of each of the last N days that have one
    #[arg(short = 'd', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_daily: Option<CountToKeep>,
    /// The newest snapshot of each of the last N weeks that have one
    #[arg(short = 'w', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_weekly: Option<CountToKeep>,
    /// The newest snapshot of each of the last N months that have one
    #[arg(short = 'm', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_monthly: Option<CountToKeep>,
    /// The newest snapshot of each of the last N years that have one
    #[arg(short = 'y', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_yearly: Option<CountToKeep>,
    /// All that are less than this older than the newest, as in 1y5m7d2h
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) keep_within: Option<CalendarSpan>,
    /// The newest of each hour that is less than this older than the newest
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) keep_within_hourly: Option<CalendarSpan>,
    /// The newest of each day that is less than this older than the newest
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) keep_within_daily: Option<CalendarSpan>,
    /// The newest of each week that is less than this older than the newest
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) keep_within_weekly: Option<CalendarSpan>,
    /// The newest of each month that is less than this older than the newest
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) keep_within_monthly: Option<CalendarSpan>,
    /// The newest of each year that is less than this older than the newest
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) keep_within_yearly: Option<CalendarSpan>,
    /// All with this tag (with commas: with all of them; empty: without tags); may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) keep_tag: Vec<String>,
    /// This one; may be repeated
    #[arg(long, value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) keep_id: Vec<SnapshotSpec>,
}

impl KeepArguments {
    /// The rules, without those that name snapshots: only a repository knows which these are.
    pub(crate) fn rules(&self) -> RetentionPolicy {
        let counted = [
            (Period::Last, self.keep_last),
            (Period::Hourly, self.keep_hourly),
            (Period::Daily, self.keep_daily),
            (Period::Weekly, self.keep_weekly),
            (Period::Monthly, self.keep_monthly),
            (Period::Yearly, self.keep_yearly),
        ];
        let within = [
            (Period::Last, self.keep_within),
            (Period::Hourly, self.keep_within_hourly),
            (Period::Daily, self.keep_within_daily),
            (Period::Weekly, self.keep_within_weekly),
            (Period::Monthly, self.keep_within_monthly),
            (Period::Yearly, self.keep_within_yearly),
        ];
        let mut policy = RetentionPolicy::default();
        for (period, count) in counted {
            policy = policy.keep(period, count.map_or(KeepCount::AtMost(0), |count| count.0));
        }
        for (period, span) in within {
            policy = policy.keep_within(period, span.unwrap_or_default());
        }
        for tags in &self.keep_tag {
            policy = policy.keep_tags(tags.split(',').map(|tag| tag.as_bytes().to_vec()).collect());
        }
        policy
    }
}

/// `holdall pin`
#[derive(Debug, Args)]
pub(crate) struct PinArguments {
    /// The snapshots: the start of an id, latest, or latest~N; forgotten ones are brought back
    #[arg(required = true, value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) snapshots: Vec<SnapshotSpec>,
    /// Until then [otherwise: until they are unpinned]
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
}

/// `holdall unpin`
#[derive(Debug, Args)]
pub(crate) struct UnpinArguments {
    /// The snapshots: the start of an id, latest, or latest~N
    #[arg(required = true, value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) snapshots: Vec<SnapshotSpec>,
}

/// `holdall sessions`
#[derive(Debug, Args)]
pub(crate) struct SessionsArguments {
    #[command(subcommand)]
    pub(crate) command: Option<SessionsCommand>,
}

/// What to do about a session.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// End a session whose writer is gone for good: what it had not committed is lost, and its run fails if it is not
    Abort {
        /// The session, as `holdall sessions` shows it
        #[arg(value_name = "SESSION")]
        session: SessionSpec,
    },
}

/// `holdall prune`
#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// How much of the packs may stay unused: a share such as 5%, a size, or unlimited
    #[arg(long, value_name = "LIMIT", default_value = "4%", value_parser = parse_max_unused)]
    pub(crate) max_unused: MaxUnused,
    /// Repack at most so much
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_repack_size: Option<ByteSize>,
    /// End sessions of other machines that gave no sign of life for so long
    #[arg(long, value_name = "DURATION", default_value = "6h")]
    pub(crate) silent_after: Span,
    /// Change nothing, only say what would be done
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}
