//! What a repository and a snapshot tell of themselves, and what a key that reads nothing is told.

use crate::run::{Finished, World};
use serde_json::Value;

fn world_with_two_snapshots() -> (World, String) {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    world.run(["backup", "-q", "--host", "h", "tree"]).succeeded();
    world.file("tree/b.txt", &[7; 100_000]);
    let saved = world.run(["backup", "--json", "--host", "h", "--tag", "t", "tree"]).succeeded().only("summary");
    let id = saved.get("snapshot_id").and_then(Value::as_str).expect("an id").to_owned();
    (world, id)
}

fn about(world: &World, words: &[&str]) -> Value {
    let kind = if words.is_empty() { "repository" } else { "snapshot" };
    world.run(["info", "--json"].iter().chain(words)).succeeded().only(kind)
}

#[test]
fn a_repository_tells_its_keys_its_objects_what_is_under_way_and_what_was_verified() {
    let (world, id) = world_with_two_snapshots();
    let key = ["--new-insecure-no-password", "--role", "put", "--kdf-memory", "64K", "--kdf-passes", "1"];
    world.run(["key", "add"].iter().chain(&key)).succeeded();
    let found = about(&world, &[]);
    let listed = world.run(["stats", "--json"]).succeeded().json().remove(0);
    for (folder, size) in listed["folders"].as_object().expect("folders") {
        let told = found["folders"].get(folder).map_or(0, |told| told["size"].as_u64().expect("bytes"));
        assert_eq!(Some(told), size.as_u64(), "{folder}");
    }
    let packs = found["folders"]["packs"]["objects"].as_u64();
    assert_eq!(found["verification"]["packs"].as_u64(), packs);
    assert_eq!((&found["verification"]["packs_verified"], &found["verification"].get("newest")), (&0.into(), &None));
    assert_eq!(found["valid_signers"], serde_json::json!({ "all": 1, "put": 1 }));
    assert_eq!((found["keys"].as_array().map(Vec::len), &found["reads"]), (Some(2), &true.into()));
    assert_eq!((&found["snapshots"]["live"], &found["snapshots"]["forgotten"]), (&2.into(), &0.into()));
    assert_eq!((&found["clients"], &found["open_sessions"]), (&1.into(), &0.into()));
    assert_eq!((&found["parity_percent"], &found["config_number"]), (&2.into(), &1.into()));

    world.run(["pin", &id]).succeeded();
    world.run(["forget", "latest~1"]).succeeded();
    world.run(["check", "--read-data"]).succeeded();
    let found = about(&world, &[]);
    assert_eq!(found["verification"]["packs_verified"].as_u64(), packs);
    let counts = &found["snapshots"];
    assert_eq!((&counts["live"], &counts["forgotten"], &counts["pinned"]), (&1.into(), &1.into(), &1.into()));
}

#[test]
fn a_snapshot_tells_who_made_it_what_was_said_about_it_and_a_command_that_restores_it() {
    let (world, id) = world_with_two_snapshots();
    let found = about(&world, &["latest"]);
    assert_eq!((&found["id"], &found["hostname"], &found["parent_state"]), (&id.into(), &"h".into(), &"live".into()));
    assert_eq!((&found["files"], &found["size"], &found["number"]), (&2.into(), &100_005.into(), &2.into()));
    assert_eq!((&found["signer_role"], &found["children"]), (&"all".into(), &0.into()));
    assert!(found["added_size"].as_u64().is_some_and(|size| size > 0), "{found}");
    assert_eq!(found["components"][0]["manifest_root"].as_str().map(str::len), Some(64));
    assert_eq!((&found["remarks"], &found["problems"]), (&serde_json::json!([]), &serde_json::json!([])));
    let short = found["short_id"].as_str().expect("an id");
    assert_eq!(found["verification"]["packs_verified_since"], 0);

    world.run(["pin", short]).succeeded();
    world.run(["unpin", short]).succeeded();
    world.run(["forget", short]).succeeded();
    world.run(["forget", "--undo", short]).succeeded();
    world.run(["drill", short, "--target", "scratch", "--no-live"]).succeeded();
    world.run(["check", "--read-data"]).succeeded();
    let found = about(&world, &[short]);
    let kinds: Vec<_> = found["remarks"].as_array().unwrap().iter().map(|remark| remark["kind"].clone()).collect();
    assert_eq!(kinds, ["pinned", "unpinned", "forgotten", "brought_back", "drilled"]);
    assert_eq!(found["remarks"][4]["drill"]["result"], "passed");
    assert_eq!(found["verification"]["packs_verified_since"], found["verification"]["packs"]);

    let line = found["restore_command"].as_str().expect("a command");
    let shown = world.run(["info", short]).succeeded();
    assert!(shown.out.contains(line), "{}", shown.out);
    let words: Vec<&str> = line.strip_prefix("holdall ").expect("this program").split(' ').collect();
    world.run(&words).succeeded();
    let restored = world.path(format!("restored-{short}"));
    let copy = crate::run::contents(&restored).into_iter().find(|(path, _)| path.ends_with("tree/b.txt"));
    assert_eq!(copy.expect("it is there").1, [7; 100_000]);
}

#[test]
fn items_that_could_not_be_read_are_named_up_to_the_last_of_them() {
    let world = crate::screens::kept_world();
    let mut command = world.command();
    command.env("HOLDALL_PASSWORD", "golden password").args(["info", "--json", "f893afaf"]);
    let found = Finished::of(&command.output().expect("the program starts")).succeeded().only("snapshot");
    assert_eq!(
        (&found["unreadable"], &found["inconsistent"], &found["state"]),
        (&4.into(), &1.into(), &"partial".into())
    );
    let problems = found["problems"].as_array().expect("a list").iter();
    let told: Vec<_> =
        problems.map(|problem| (problem["path"].as_str().expect("a path"), problem["errno"].as_u64())).collect();
    let expected = [
        ("/odd/changing", None),
        ("/odd/directory", Some(13)),
        ("/odd/file", Some(5)),
        ("/odd/link", Some(5)),
        ("/odd/unknown", Some(2)),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_key_that_reads_nothing_is_told_what_it_may_know_and_what_it_does_not_see() {
    let (world, id) = world_with_two_snapshots();
    world.file("web", b"web\n");
    let add = ["key", "add", "--role", "put", "--new-password-file", "web", "--kdf-memory", "64K", "--kdf-passes", "1"];
    world.run(add).succeeded();
    let as_web = |line: &[&str]| {
        let mut command = world.command();
        command.env("HOLDALL_PASSWORD", "web").args(line);
        Finished::of(&command.output().expect("the program starts")).succeeded()
    };
    let found = as_web(&["info", "--json"]).only("repository");
    assert_eq!((&found["role"], &found["reads"]), (&"put".into(), &false.into()));
    assert_eq!((&found["snapshots"]["live"], &found["problems"]), (&2.into(), &serde_json::json!([])));
    assert!(as_web(&["info"]).out.contains("it may back up, and read nothing"));
    let found = as_web(&["info", "--json", &id]).only("snapshot");
    assert_eq!(
        (&found["description_read"], &found["hostname"], &found["size"]),
        (&false.into(), &"".into(), &100_005.into())
    );
    assert!(found.get("problems").is_none(), "{found}");
    let shown = as_web(&["info", &id]).out;
    for part in ["sealed: this key reads neither host", "This key reads nothing; with one that does:"] {
        assert!(shown.contains(part), "{shown}");
    }
}
