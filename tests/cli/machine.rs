//! What programs read.

use crate::run::World;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn a_backup_ends_with_exactly_one_summary() {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    let finished = world.run(["backup", "--json", "tree"]).succeeded();
    let summary = finished.only("summary");
    assert_eq!((&summary["files_new"], &summary["files_changed"]), (&1.into(), &0.into()));
    assert_eq!(summary["total_bytes_processed"], 5);
    assert_eq!(summary["snapshot_id"].as_str().map(str::len), Some(64));
    for field in [
        "files_unmodified",
        "dirs_new",
        "data_added",
        "data_added_packed",
        "total_files_processed",
        "total_duration",
        "backup_start",
        "backup_end",
    ] {
        assert!(!summary[field].is_null(), "{field} is missing: {summary}");
    }
}

#[test]
fn restore_check_and_scrub_end_with_exactly_one_summary() {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    world.run(["backup", "-q", "tree"]).succeeded();
    let restored = world.run(["restore", "--json", "latest", "--target", "t"]).succeeded().only("summary");
    assert_eq!((&restored["files_restored"], &restored["bytes_restored"]), (&1.into(), &5.into()));
    let checked = world.run(["check", "--json"]).succeeded().only("summary");
    assert_eq!(checked["num_errors"], 0);
    world.file("repository/packs/letter", b"dear");
    let scrubbed = world.run(["scrub", "--json"]).succeeded();
    assert_eq!(scrubbed.only("unknown")["object"], "packs/letter");
    let summary = scrubbed.only("summary");
    assert_eq!((&summary["num_errors"], &summary["unknown"]), (&0.into(), &1.into()));
    assert!(summary["packs"].as_u64().is_some_and(|packs| packs > 0), "{summary}");
}

#[test]
fn snapshots_are_one_array() {
    let world = World::with_repository();
    assert_eq!(world.run(["snapshots", "--json"]).succeeded().out, "[]\n");
    world.file("tree/a.txt", b"alpha");
    world.run(["backup", "tree", "--tag", "t", "--host", "h", "--time", "2026-01-02T03:04:05Z"]).succeeded();
    let json = world.run(["snapshots", "--json"]).succeeded().json();
    let snapshot = &json[0][0];
    assert_eq!(snapshot["hostname"], "h");
    assert_eq!(snapshot["tags"], serde_json::json!(["t"]));
    assert_eq!(snapshot["paths"], serde_json::json!([world.path("tree").to_string_lossy()]));
    assert!(snapshot["id"].as_str().expect("an id").starts_with(snapshot["short_id"].as_str().expect("a short id")));
    assert!(snapshot["time"].as_str().expect("a time").starts_with("2026-01-0"), "{snapshot}");
}

#[test]
fn names_that_are_no_text_are_also_given_as_base64() {
    let world = World::with_repository();
    world.file(OsStr::from_bytes(b"tree/\xff"), b"alpha");
    world.run(["backup", "tree"]).succeeded();
    let json = world.run(["ls", "--json", "latest"]).succeeded().json();
    let node = json.iter().find(|node| node["type"] == "file").expect("the file is listed");
    let path = node["path_b64"].as_str().expect("its bytes are given");
    assert!(path.ends_with('=') || path.len().is_multiple_of(4), "{path}");
    assert!(node["path"].as_str().expect("a path").ends_with('\u{fffd}'));
    assert_eq!(json[0]["short_id"].as_str().map(str::len), Some(8));
}

#[test]
fn errors_are_json_as_well() {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    let incomplete = world.run(["backup", "--json", "tree", "nowhere"]).ended(3);
    let error: serde_json::Value = serde_json::from_str(incomplete.err.trim()).expect(&incomplete.err);
    assert_eq!(error["message_type"], "error");
    assert!(error["item"].as_str().expect("an item").ends_with("nowhere"));
    assert_eq!(incomplete.only("summary")["errors"], 1);

    let failed = world.run(["ls", "--json", "ffffffff"]).ended(1);
    let error: serde_json::Value = serde_json::from_str(failed.err.trim()).expect(&failed.err);
    assert_eq!((&error["message_type"], &error["code"]), (&"exit_error".into(), &1.into()));
}
