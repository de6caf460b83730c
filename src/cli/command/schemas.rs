//! What programs read, command by command: the structures that are printed make the JSON Schemas in `format-spec/output`.
//! `HOLDALL_WRITE_SCHEMAS=1 cargo test --bin holdall schemas` writes them.

use super::mirror::{Damage as MirrorDamage, MirrorSummary, RemovalPlan};
use super::repair::IndexSummary;
use super::repair::packs::PacksSummary;
use super::repair::snapshots::Summary as SnapshotRepairSummary;
use crate::cli::render::backup::BackupSummary;
use crate::cli::render::copy::CopySummary;
use crate::cli::render::growth::GrowthRow;
use crate::cli::render::import::{ImportSummary, SnapshotLine};
use crate::cli::render::json::{
    AbortedSession, ChangedItem, CheckSummary, DamageReport, DiffStatistics, DrillSummary, DumpSummary, ExitError,
    FindingText, FoundNode, Initialized, ItemStatus, ListedSnapshot, Mounted, Node, Notice, OpenSession, PastChange,
    Problem, PruneSummary, ReadItem, RepositoryText, RestoreSummary, ScrubSummary, Snapshot, SnapshotDetails, Status,
    UnknownObject,
};
use crate::cli::render::keys::{AddedKeyText, KeyText, RecoveryKeyText, RemovedKeyText};
use crate::cli::render::left_out::LeftOut;
use crate::cli::render::protection::{HealedObject, ProtectSummary};
use crate::cli::render::retention::{ForecastLine, Group, Pinned, Undone, Unpinned};
use crate::cli::render::run::{PlannedCommand, SetReport};
use crate::cli::render::schedule::{Installed, PlannedText};
use crate::cli::render::stats::{RepositoryTotals, SnapshotTotals};
use crate::cli::render::status::SetStatus;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What one line may be.
struct Line {
    name: String,
    message_type: Option<&'static str>,
    schema: Value,
}

fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    close(&mut schema);
    schema
}

/// Nothing but what is described: a field that nobody described is found.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(members) => members.iter_mut().for_each(close),
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A line that says what it is.
fn line<T: JsonSchema>(message_type: &'static str) -> Line {
    let mut schema = schema::<T>();
    let of_the_type = schema.pointer_mut("/properties/message_type").expect("it says what it is");
    let about = of_the_type.get("description").cloned();
    *of_the_type = json!({ "const": message_type });
    if let (Some(about), Some(fields)) = (about, of_the_type.as_object_mut()) {
        fields.insert("description".to_owned(), about);
    }
    Line { name: message_type.to_owned(), message_type: Some(message_type), schema }
}

/// The only line of a command.
fn only<T: JsonSchema>() -> Line {
    let schema = schema::<T>();
    let title = schema.get("title").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    Line { name: title, message_type: None, schema }
}

/// What every command may print on standard error.
fn on_error() -> Vec<Line> {
    vec![line::<Problem<'_>>("error"), line::<Notice<'_>>("notice"), line::<ExitError<'_>>("exit_error")]
}

/// What each command prints on standard output.
fn outputs() -> Vec<(&'static str, Vec<Line>)> {
    daily().into_iter().chain(of_upkeep()).collect()
}

/// Of the commands that make snapshots, look into them and carry them elsewhere.
fn daily() -> Vec<(&'static str, Vec<Line>)> {
    vec![
        ("copy", vec![line::<Status>("status"), line::<CopySummary>("summary")]),
        (
            "mirror",
            vec![
                line::<Status>("status"),
                line::<MirrorDamage<'_>>("damage"),
                line::<RemovalPlan>("deletion_plan"),
                line::<MirrorSummary>("summary"),
            ],
        ),
        (
            "import-restic",
            vec![line::<Status>("status"), line::<SnapshotLine>("snapshot"), line::<ImportSummary>("summary")],
        ),
        ("status", vec![line::<SetStatus>("set_status")]),
        ("schedule-install", vec![line::<PlannedText>("planned")]),
        ("schedule-list", vec![line::<Installed>("scheduled")]),
        ("init", vec![line::<Initialized>("initialized")]),
        (
            "backup",
            vec![
                line::<Status>("status"),
                line::<LeftOut<'_>>("verbose_status"),
                Line { name: "read".to_owned(), ..line::<ReadItem>("verbose_status") },
                line::<BackupSummary>("summary"),
            ],
        ),
        ("snapshots", vec![only::<Vec<Snapshot>>()]),
        ("ls", vec![line::<ListedSnapshot>("snapshot"), line::<Node>("node")]),
        ("find", vec![line::<FoundNode>("match"), line::<PastChange<'_>>("change")]),
        ("diff", vec![line::<ChangedItem<'_>>("change"), line::<DiffStatistics>("statistics")]),
        ("dump", vec![line::<Status>("status"), line::<DumpSummary>("summary")]),
        ("mount", vec![line::<Mounted<'_>>("mounted")]),
        (
            "restore",
            vec![line::<Status>("status"), line::<ItemStatus>("verbose_status"), line::<RestoreSummary>("summary")],
        ),
        ("drill", vec![line::<Status>("status"), line::<FindingText>("finding"), line::<DrillSummary>("summary")]),
        ("info", vec![line::<RepositoryText>("repository"), line::<SnapshotDetails>("snapshot")]),
        ("stats", vec![only::<RepositoryTotals>(), only::<SnapshotTotals>(), only::<Vec<GrowthRow>>()]),
    ]
}

/// Of the commands that keep a repository in order.
fn of_upkeep() -> Vec<(&'static str, Vec<Line>)> {
    vec![
        (
            "check",
            vec![
                line::<Status>("status"),
                line::<DamageReport>("damage"),
                line::<HealedObject<'_>>("healed"),
                line::<CheckSummary>("summary"),
            ],
        ),
        (
            "scrub",
            vec![
                line::<Status>("status"),
                line::<DamageReport>("damage"),
                line::<HealedObject<'_>>("healed"),
                line::<UnknownObject<'_>>("unknown"),
                line::<ScrubSummary>("summary"),
            ],
        ),
        ("parity-add", vec![line::<Status>("status"), line::<ProtectSummary>("summary")]),
        (
            "forget",
            vec![
                only::<Vec<Group>>(),
                line::<Status>("status"),
                line::<ForecastLine>("forecast"),
                line::<Undone>("undone"),
                line::<PruneSummary>("summary"),
            ],
        ),
        ("pin", vec![line::<Status>("status"), line::<Pinned>("pinned")]),
        ("unpin", vec![line::<Unpinned>("unpinned")]),
        ("prune", vec![line::<Status>("status"), line::<PruneSummary>("summary")]),
        ("sessions", vec![only::<Vec<OpenSession>>()]),
        ("sessions-abort", vec![line::<AbortedSession>("session_aborted")]),
        ("key-list", vec![only::<Vec<KeyText>>()]),
        ("key-add", vec![line::<RecoveryKeyText<'_>>("recovery_key"), line::<AddedKeyText>("key_added")]),
        ("key-passwd", vec![line::<RecoveryKeyText<'_>>("recovery_key"), line::<AddedKeyText>("key_changed")]),
        ("key-import", vec![line::<AddedKeyText>("key_imported")]),
        ("key-remove", vec![line::<RemovedKeyText>("key_removed")]),
        ("repair-index", vec![line::<Status>("status"), line::<IndexSummary>("summary")]),
        ("repair-packs", vec![line::<Status>("status"), line::<PacksSummary>("summary")]),
        ("repair-snapshots", vec![line::<Status>("status"), line::<SnapshotRepairSummary>("summary")]),
    ]
}

/// What the steps of a run print, each with the set and the step that it comes from; a line that is no object stands in
/// one. Then what a run says of each set, and what one says that is only planned.
fn of_steps() -> Vec<Line> {
    let steps = ["backup", "forget", "prune", "check"];
    let printed = outputs().into_iter().filter(|(command, _)| steps.contains(command));
    let labelled = printed.flat_map(|(step, lines)| {
        lines.into_iter().chain(on_error()).map(move |mut line| {
            let object = line.message_type.is_some();
            if !object {
                let output = std::mem::take(&mut line.schema);
                let fields = json!({ "message_type": { "const": "output" }, "output": output });
                let required = json!(["message_type", "output"]);
                line.schema =
                    json!({ "type": "object", "properties": fields, "required": required, "additionalProperties": false });
            }
            let label = |value: &str| json!({ "type": "string", "const": value });
            let fields = line.schema.get_mut("properties").and_then(Value::as_object_mut).expect("an object");
            fields.insert("set".to_owned(), json!({ "type": "string" }));
            fields.insert("step".to_owned(), label(step));
            let required = line.schema.get_mut("required").and_then(Value::as_array_mut).expect("an object");
            required.extend(["set".into(), "step".into()]);
            Line { name: format!("{step}_{}", line.name), ..line }
        })
    });
    labelled.chain([line::<SetReport<'_>>("set_summary"), line::<PlannedCommand<'_>>("planned")]).collect()
}

fn document(command: &str, lines: Vec<Line>) -> Value {
    let title = format!("holdall {} --json", command.replace('-', " "));
    let about =
        "Each line that the command prints is one of these; error, notice and exit_error stand on standard error.";
    let mut definitions = Map::new();
    let mut choices = Vec::new();
    for Line { name, schema, .. } in lines.into_iter().chain(on_error()) {
        choices.push(json!({ "$ref": format!("#/$defs/{name}") }));
        assert!(definitions.insert(name.clone(), schema).is_none(), "{command}: {name} twice");
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": about,
        "anyOf": choices,
        "$defs": definitions,
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/output")
}

#[test]
fn the_schemas_of_what_is_printed_are_those_of_the_structures() {
    let mut expected = BTreeSet::new();
    for (command, lines) in outputs().into_iter().chain([("run", of_steps())]) {
        let file = format!("{command}.json");
        let text = format!("{:#}\n", document(command, lines));
        let path = folder().join(&file);
        if std::env::var_os("HOLDALL_WRITE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{file}: write the schemas anew");
        expected.insert(file);
    }
    let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), expected);
}
