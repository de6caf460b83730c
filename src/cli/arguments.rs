//! The command line as its users see it.

mod copying;
mod drill;
mod import;
mod key;
mod look;
mod mirror;
mod pages;
mod protection;
mod repair;
mod restore;
mod retention;
mod run;
mod selection;
mod verification;

pub(crate) use copying::{CopyArguments, FromArguments};
pub(crate) use drill::DrillArguments;
pub(crate) use import::{ImportArguments, ImportCommand, ImportResticArguments};
pub(crate) use key::{AddKeyArguments, KdfArguments, KeyArguments, KeyCommand, NewSecretArguments};
pub(crate) use look::{DiffArguments, DumpArguments, FindArguments, InfoArguments, MountArguments, StatsArguments};
pub(crate) use mirror::MirrorArguments;
pub(crate) use pages::{CompletionsArguments, ManArguments};
pub(crate) use protection::{ParityArguments, ParityCommand};
pub(crate) use repair::{
    RepairArguments, RepairCommand, RepairIndexArguments, RepairPacksArguments, RepairSnapshotsArguments,
};
pub(crate) use restore::RestoreArguments;
pub(crate) use retention::{
    ForgetArguments, KeepArguments, PinArguments, PruneArguments, SessionsArguments, SessionsCommand, UnpinArguments,
};
pub(crate) use run::{PlaceArguments, RunArguments, ScheduleArguments, ScheduleCommand, StatusArguments};
pub(crate) use selection::{ExcludeArguments, IncludeArguments, SelectionArguments, SourceArguments};
pub(crate) use verification::{CheckArguments, ScrubArguments};

use super::deadline::StopAfter;
use super::failure::Failure;
use super::snapshot_argument::{SnapshotArgument, snapshot_argument, whole_snapshot};
use super::values::{
    ByteSize, Moment, SortBy, parse_compression, parse_name, parse_protection, parse_read_concurrency,
    parse_rehash_share, parse_sort,
};
use clap::{Args, Parser, Subcommand};
use holdall::{Compression, Protection, RehashShare, SnapshotSpec};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Backs up file trees into an encrypted, deduplicating repository, and brings them back.
#[derive(Debug, Parser)]
#[command(name = "holdall", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 misused; 3 done except for items that were reported; 4 a command failed that was to be backed up or to judge a drill, or a hook; \
5 damage found; 10 no repository; 11 somebody else is at work; 12 wrong password or key file; 13 no space left; 129, 130 and 143 interrupted; 141 nobody reads on";

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalArguments {
    /// The repository's folder [also: HOLDALL_REPOSITORY, or HOLDALL_REPOSITORY_FILE for a file that names it]
    #[arg(short, long, global = true, value_name = "DIR")]
    pub(crate) repo: Option<PathBuf>,
    /// A file whose first line names the repository's folder
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "repo")]
    pub(crate) repository_file: Option<PathBuf>,
    /// The repository of this name, or of the set of this name, as the profile has it, with its password
    #[arg(short = 'P', long, global = true, value_name = "NAME", conflicts_with_all = ["repo", "repository_file"])]
    pub(crate) profile: Option<String>,
    /// The profile [also: HOLDALL_CONFIG; otherwise ~/.config/holdall/holdall.toml, or /etc/holdall/holdall.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) unlock: UnlockArguments,
    /// Print JSON, with the field names of restic
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for, and problems
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more; twice: every file
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Memory to work within [default: 128MiB]
    #[arg(long, global = true, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Where the view of the index lies [also: HOLDALL_CACHE_DIR; otherwise below ~/.cache]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Write, under a new client id, to a repository that lacks what this machine once stored there
    #[arg(long, global = true)]
    pub(crate) accept_rollback: bool,
}

/// The memory to work within, unless another amount was named.
const MEMORY: ByteSize = ByteSize(128 << 20);

impl GlobalArguments {
    /// The memory to work within.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory.unwrap_or(MEMORY).0
    }

    /// Refuses what contradicts each other where one stands before the command's name and the other behind it: the parser
    /// compares only what stands on one side.
    ///
    /// # Errors
    /// A misuse that names both.
    pub(crate) fn refuse_contradictions(&self) -> Result<(), Failure> {
        let unlock = &self.unlock;
        let repositories = [
            ("--repo", self.repo.is_some()),
            ("--repository-file", self.repository_file.is_some()),
            ("--profile", self.profile.is_some()),
        ];
        let secrets = [
            ("--key-file", unlock.key_file.is_some()),
            ("--password-file", unlock.password_file.is_some()),
            ("--password-command", unlock.password_command.is_some()),
            ("--insecure-no-password", unlock.insecure_no_password),
        ];
        let amounts = [("--quiet", self.quiet), ("--verbose", self.verbose > 0)];
        for group in [&repositories[..], &secrets, &amounts] {
            let mut given = group.iter().filter_map(|(name, is_given)| is_given.then_some(name));
            if let (Some(one), Some(other)) = (given.next(), given.next()) {
                return Err(Failure::misuse(format!("{one} can't be used together with {other}")));
            }
        }
        Ok(())
    }
}

/// Where the secret that opens the repository comes from. Without any of these a terminal is asked.
#[derive(Debug, Default, Args)]
pub(crate) struct UnlockArguments {
    /// A key file [also: HOLDALL_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["password_file", "password_command", "insecure_no_password"])]
    pub(crate) key_file: Option<PathBuf>,
    /// A file whose first line is the password [also: HOLDALL_PASSWORD_FILE; the password itself: HOLDALL_PASSWORD]
    #[arg(short, long, global = true, value_name = "FILE", conflicts_with_all = ["password_command", "insecure_no_password"])]
    pub(crate) password_file: Option<PathBuf>,
    /// A shell command that prints the password [also: HOLDALL_PASSWORD_COMMAND]
    #[arg(long, global = true, value_name = "COMMAND", conflicts_with = "insecure_no_password")]
    pub(crate) password_command: Option<OsString>,
    /// The repository has no password: whoever can read its folder can read its contents
    #[arg(long, global = true)]
    pub(crate) insecure_no_password: bool,
    /// The password that stands in the profile.
    #[arg(skip)]
    pub(crate) password: Option<Zeroizing<String>>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new repository
    Init(InitArguments),
    /// Back up files and folders
    Backup(BackupArguments),
    /// Copy snapshots from another repository into this one
    #[command(after_help = copying::EXAMPLES)]
    Copy(CopyArguments),
    /// Keep a copy of the repository's objects in another folder, without any key
    #[command(after_help = mirror::EXAMPLES)]
    Mirror(MirrorArguments),
    /// List snapshots
    Snapshots(SnapshotsArguments),
    /// Do what the profile says: back up, forget, prune and check, with hooks
    #[command(after_help = run::RUN_EXAMPLES)]
    Run(RunArguments),
    /// Show how old the last backups of the profile's sets are; the exit code is 1 if one is older than it may be or missing
    #[command(after_help = run::STATUS_EXAMPLES)]
    Status(StatusArguments),
    /// Have the sets of the profile run by themselves
    #[command(after_help = run::SCHEDULE_EXAMPLES)]
    Schedule(ScheduleArguments),
    /// List what a snapshot holds
    Ls(LsArguments),
    /// Find files in all snapshots, or see what became of them
    Find(FindArguments),
    /// Show what differs between two snapshots, or between one and this machine
    Diff(DiffArguments),
    /// Write a file of a snapshot, or a folder as an archive, to the standard output
    Dump(DumpArguments),
    /// Show snapshots as files and folders, read-only
    Mount(MountArguments),
    /// Bring a snapshot, or a part of it, back into a folder
    Restore(RestoreArguments),
    /// Restore a snapshot, or a sample of it, for a test, compare what came back, and keep the result as evidence
    #[command(after_help = drill::EXAMPLES)]
    Drill(DrillArguments),
    /// Forget snapshots by a policy or by name, or bring forgotten ones back
    Forget(ForgetArguments),
    /// Keep snapshots from being forgotten
    Pin(PinArguments),
    /// Lift the pins of snapshots
    Unpin(UnpinArguments),
    /// List who is writing, or end a session
    Sessions(SessionsArguments),
    /// Tell all about the repository, or about one snapshot
    #[command(after_help = look::INFO_EXAMPLES)]
    Info(InfoArguments),
    /// Show how much the repository and its snapshots hold
    Stats(StatsArguments),
    /// Look for damage
    Check(CheckArguments),
    /// Bring back what is damaged, as far as it can be had
    Repair(RepairArguments),
    /// Look for rotten bytes, without any key
    Scrub(ScrubArguments),
    /// Delete what no snapshot needs any more
    Prune(PruneArguments),
    /// Carry snapshots over from another tool
    Import(ImportArguments),
    /// List, make, change and end the keys that open the repository
    Key(KeyArguments),
    /// Keep what damage can be healed with, without any key
    Parity(ParityArguments),
    /// Print what makes a shell complete commands and options
    Completions(CompletionsArguments),
    /// Print the manual page, or write those of all commands into a folder
    Man(ManArguments),
}

/// `holdall init`
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    #[command(flatten)]
    pub(crate) kdf: KdfArguments,
    /// How much parity every pack gets to heal it with, in percent of its size, and small objects a second copy: 1 to 25,
    /// or 0 for neither
    #[arg(long, value_name = "PERCENT", default_value = "2", value_parser = parse_protection)]
    pub(crate) parity: Protection,
    #[command(flatten)]
    pub(crate) from: FromArguments,
    /// Cut files where the other repository does, so that copies between both read and store no chunk twice. The keys to
    /// contents differ all the same; whoever holds a key of one could tell from chunk ids what both hold
    #[arg(long)]
    pub(crate) copy_chunker_params: bool,
}

/// `holdall backup`
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) exclude: ExcludeArguments,
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// A tag for the snapshot; may be repeated, or hold several with commas
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = parse_name)]
    pub(crate) tag: Vec<String>,
    /// The host's name [otherwise: this machine's]
    #[arg(short = 'H', long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) host: Option<String>,
    /// The snapshot's time [otherwise: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<Moment>,
    /// The snapshot to compare with [otherwise: the newest of the same host and paths]
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "force", value_parser = whole_snapshot())]
    pub(crate) parent: Option<SnapshotSpec>,
    /// Read every file again, whatever the parent says
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Read this share of the unchanged files again, by their bytes, and report those that hold other bytes than before: 2%
    /// reads each once in 50 backups. A file is read whole, so the longest ones make a backup that reads more
    #[arg(long, value_name = "SHARE", conflicts_with = "force", value_parser = parse_rehash_share)]
    pub(crate) rehash: Option<RehashShare>,
    /// How hard to compress: auto, off, or 1 to 19
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = parse_compression)]
    pub(crate) compression: Compression,
    /// How many files are read at once: 1 for a disc that seeks, more for a network [otherwise: one for each core]
    #[arg(long, value_name = "N", value_parser = parse_read_concurrency)]
    pub(crate) read_concurrency: Option<NonZeroUsize>,
    /// Save what there is by then as a partial snapshot; the next backup goes on from there: 2h, or 06:00 by the clock
    #[arg(long, value_name = "TIME")]
    pub(crate) stop_after: Option<StopAfter>,
    /// Store nothing, only say what would be stored
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// Which snapshots a command is about.
#[derive(Debug, Args)]
pub(crate) struct FilterArguments {
    /// Only snapshots of this host; may be repeated
    #[arg(short = 'H', long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    #[command(flatten)]
    pub(crate) kind: KindArguments,
}

/// Which snapshots are meant, whatever their host.
#[derive(Debug, Default, Args)]
pub(crate) struct KindArguments {
    /// Only snapshots with this tag (with commas: with all of them); repeated: with one of those
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Only snapshots of this path; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<PathBuf>,
}

/// `holdall snapshots`
#[derive(Debug, Args)]
pub(crate) struct SnapshotsArguments {
    /// Only these: latest, latest~N, or the start of an id
    #[arg(value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) snapshots: Vec<SnapshotSpec>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Forgotten ones instead, as long as they can be brought back
    #[arg(long, conflicts_with = "snapshots")]
    pub(crate) forgotten: bool,
    /// Only the newest N of each host and set of paths
    #[arg(long, value_name = "N", conflicts_with = "snapshots")]
    pub(crate) latest: Option<NonZeroUsize>,
    /// Leave out paths and the number of files
    #[arg(short, long)]
    pub(crate) compact: bool,
}

/// `holdall ls`
#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// latest, latest~N, or the start of an id; with :/path only what lies there
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = snapshot_argument())]
    pub(crate) snapshot: SnapshotArgument,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Show type, permissions, owner, size and time as well
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Below a PATH, list folders within folders too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// With -l, show sizes in KiB, MiB and so on
    #[arg(long)]
    pub(crate) human_readable: bool,
    /// Sort by name, size, time or extension [otherwise: by path]
    #[arg(short, long, value_name = "BY", value_parser = parse_sort)]
    pub(crate) sort: Option<SortBy>,
    /// Sort the other way round
    #[arg(long)]
    pub(crate) reverse: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_of_every_command_stand_before_or_after_it() {
        for line in ["holdall -r /r --json snapshots", "holdall snapshots -r /r --json"] {
            let global = parse(line).expect("the line is understood").global;
            assert_eq!(global.memory_bytes(), 128 << 20);
            assert_eq!((global.repo, global.json), (Some(PathBuf::from("/r")), true));
        }
    }

    #[test]
    fn a_backup_is_described_in_full() {
        let line =
            "holdall backup --tag a,b --tag c --host h --time 2026-11-21T00:00:00Z --compression 9 -n -f /etc /home";
        let Ok(Arguments { command: Command::Backup(backup), .. }) = parse(line) else { panic!("not understood") };
        assert_eq!(backup.tag, ["a", "b", "c"]);
        assert_eq!(backup.source.paths, [PathBuf::from("/etc"), PathBuf::from("/home")]);
        assert!(backup.dry_run && backup.force);
        assert_eq!(backup.compression, parse_compression("9").expect("a level"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let lines = [
            "holdall",
            "holdall backup",
            "holdall restore latest",
            "holdall restore --target /t",
            "holdall restore latest --target /t --overwrite sometimes",
            "holdall restore latest --target /t --no-ownership --numeric-ids",
            "holdall backup --force --parent latest /etc",
            "holdall snapshots --quiet --verbose",
            "holdall snapshots --key-file a --password-file b",
            "holdall snapshots --password secret",
            "holdall ls latest:etc",
            "holdall backup --compression 20 /etc",
            "holdall backup --rehash 0% /etc",
            "holdall backup --rehash 100% --force /etc",
            "holdall backup --stdin-from-command dump",
            "holdall backup --stdin --stdin-from-command -- dump",
            "holdall check --read-data --read-data-subset 5%",
            "holdall check --read-data-subset 3/2",
            "holdall check --max-age 7d",
            "holdall check --max-duration 1h",
            "holdall drill --seed 1",
            "holdall drill --sample 0%",
            "holdall drill --sample 5",
            "holdall drill latest true",
        ];
        for line in lines {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
