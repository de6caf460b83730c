//! Keys, as users make and end them.

use crate::run::{World, contents};

fn cheap(line: &[&str]) -> Vec<String> {
    line.iter().chain(&["--kdf-memory", "64K", "--kdf-passes", "1"]).map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_machine_that_can_only_back_up_is_set_up_and_taken_out() {
    let world = World::with_repository();
    world.file("tree/letter", b"Dear Ada,");
    let key = world.path("machine.key");
    let key = key.to_str().expect("a text");
    let added = world.run(["key", "add", "--role", "put", "--label", "web1", "--new-key-file", key]).succeeded();
    assert!(added.out.contains("it may back up, and read nothing"), "{}", added.out);
    let machine = |line: &[&str]| {
        let mut command = world.command();
        command.env_remove("HOLDALL_PASSWORD").env("HOLDALL_KEY_FILE", key).env("HOME", world.path("web1")).args(line);
        crate::run::Finished::of(&command.output().expect("the program starts"))
    };
    machine(&["backup", "tree"]).succeeded();
    let refused = machine(&["restore", "latest", "--target", "stolen"]).ended(1);
    assert!(refused.err.contains("a key with the role put may not restore"), "{}", refused.err);
    machine(&["check"]).ended(1);
    machine(&["ls", "latest"]).ended(1);
    assert!(!world.path("stolen").join("letter").exists());
    machine(&["forget", "latest"]).ended(1);
    world.run(["restore", "latest", "--target", "back"]).succeeded();

    let listed = world.run(["key", "list", "--json"]).succeeded().json();
    let keys = listed.first().and_then(serde_json::Value::as_array).expect("a list");
    let web1 = keys.iter().find(|key| key["label"] == "web1").expect("the new key");
    assert_eq!(
        (&web1["role"], &web1["standing"], &web1["opened_by"]),
        (&"put".into(), &"valid".into(), &"key file".into())
    );
    let id = web1["id"].as_str().expect("a name");
    let removed = world.run(["key", "remove", id]).succeeded();
    assert!(removed.out.contains("nothing counts that it signs under a later configuration"), "{}", removed.out);
    machine(&["backup", "tree"]).ended(12);
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn a_recovery_key_opens_the_repository_when_the_password_is_lost() {
    let world = World::with_repository();
    let added = world.run(["key", "add", "--new-recovery-key", "--json"]).succeeded().only("key_added");
    let words = added["recovery_key"].as_str().expect("words");
    assert_eq!(words.split(' ').count(), 24);
    let file = world.file("words", words.replace(' ', "\n").as_bytes());
    let file = file.to_str().expect("a text");
    world.file("new-password", b"a new one\n");
    let lost = |line: &[String]| {
        let mut command = world.command();
        command.env_remove("HOLDALL_PASSWORD").args(line);
        crate::run::Finished::of(&command.output().expect("the program starts"))
    };
    let line = cheap(&["key", "passwd", "--key-file", file, "--new-password-file", "new-password"]);
    lost(&line).succeeded();
    let open = |password: &str| {
        let mut command = world.command();
        command.env("HOLDALL_PASSWORD", password).args(["key", "list"]);
        crate::run::Finished::of(&command.output().expect("the program starts"))
    };
    let listed = open("a new one").succeeded();
    assert_eq!(listed.out.matches(" all ").count(), 2, "{}", listed.out);
    assert_eq!(listed.out.matches('*').count(), 1, "{}", listed.out);
    let shown = world.run(["key", "add", "--new-recovery-key"]).succeeded();
    assert!(shown.out.contains("shown this once"), "{}", shown.out);
}

#[test]
fn the_words_of_a_recovery_key_are_printed_before_there_is_one_or_there_is_none() {
    let world = World::with_repository();
    let slots = || std::fs::read_dir(world.path("repository/keys")).expect("a folder").count();
    let before = contents(&world.path("repository/keys"));
    for line in [&["key", "add", "--new-recovery-key"][..], &["key", "passwd", "--new-recovery-key"]] {
        for more in [&[][..], &["-q"], &["--json"]] {
            let (reader, closed) = std::io::pipe().expect("a pipe");
            drop(reader);
            let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has one");
            for out in [std::process::Stdio::from(closed), full.into()] {
                let output = world.command().args(line).args(more).stdout(out).output().expect("the program starts");
                let refused = crate::run::Finished::of(&output).ended(1).err;
                assert!(refused.contains("the words of the recovery key can't be printed"), "{refused}");
                assert!(contents(&world.path("repository/keys")) == before, "{line:?} {more:?}");
            }
        }
    }
    let quiet = world.run(["key", "add", "--new-recovery-key", "-q"]).succeeded().out;
    let words: Vec<&str> = quiet.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let file = world.file("words", words.join("\n").as_bytes());
    let mut command = world.command();
    command.env_remove("HOLDALL_PASSWORD").env("HOLDALL_KEY_FILE", file).args(["key", "list"]);
    crate::run::Finished::of(&command.output().expect("the program starts")).succeeded();
    assert_eq!(slots(), 2);

    // Words of a key that was then refused open nothing, and they say so.
    let key = world.path("machine.key");
    let key = key.to_str().expect("a text");
    world.run(["key", "add", "--role", "put", "--new-key-file", key]).succeeded();
    let mut command = world.command();
    command.env_remove("HOLDALL_PASSWORD").env("HOLDALL_KEY_FILE", key);
    command.args(["key", "add", "--role", "all", "--new-recovery-key"]);
    let refused = crate::run::Finished::of(&command.output().expect("the program starts")).ended(1);
    assert!(refused.out.contains("if this command ends without an error"), "{}", refused.out);
    let told = world.run(["key", "passwd", "--new-recovery-key", "--json"]).succeeded();
    assert_eq!(told.only("recovery_key")["recovery_key"], told.only("key_changed")["recovery_key"]);
    assert_eq!(told.json()[0]["message_type"], "recovery_key");
}

#[test]
fn keys_are_exported_and_put_back() {
    let world = World::with_repository();
    world.run(["key", "export", "saved"]).succeeded();
    world.run(["key", "export", "saved"]).ended(1);
    // With the second copies, by which a reader would still get in.
    for folder in ["keys", "mirror"] {
        std::fs::remove_dir_all(world.path("repository").join(folder)).expect("the folder goes");
    }
    let refused = world.run(["snapshots"]).ended(5);
    assert!(refused.err.contains("`holdall key import`"), "{}", refused.err);
    world.run(["key", "import", "saved"]).succeeded();
    world.run(["snapshots"]).succeeded();
    world.run(["key", "remove"]).ended(2);
    world.run(["key", "add", "--role", "owner"]).ended(2);
    world.run(["key", "add", "--new-recovery-key", "--new-insecure-no-password"]).ended(2);
}

#[test]
fn what_a_put_key_stored_counts_for_others_once_a_check_has_read_it() {
    let world = World::with_repository();
    let tree = |seed: u8| {
        let mut noise = vec![0; 300_000];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut noise);
        world.file("tree/file", &noise)
    };
    let key = world.path("web1.key");
    let key = key.to_str().expect("a text");
    world.run(cheap(&["key", "add", "--role", "put", "--label", "web1", "--new-key-file", key])).succeeded();
    let machine = |line: &[&str]| {
        let mut command = world.command();
        command.env_remove("HOLDALL_PASSWORD").env("HOLDALL_KEY_FILE", key).env("HOME", world.path("web1")).args(line);
        crate::run::Finished::of(&command.output().expect("the program starts"))
    };
    tree(1);
    machine(&["backup", "tree"]).succeeded();
    let silent = world.run(["check", "--read-data", "--no-remember", "--json"]).succeeded().only("summary");
    assert_eq!(silent["packs_vouched"], 0);
    let checked = world.run(["check", "--read-data", "--json"]).succeeded().only("summary");
    assert_eq!(checked["packs_vouched"], 3, "content, manifest and stat tree");
    let saved = world.run(["backup", "--host", "other", "--json", "tree"]).succeeded().only("summary");
    assert!(saved["data_added"].as_u64() < Some(100_000), "{saved}");
    tree(2);
    machine(&["backup", "tree"]).succeeded();
    let shown = world.run(["check", "--read-data"]).succeeded().out;
    assert!(shown.contains("of put keys: backups with other keys count on them from now on"), "{shown}");
    world.run(["check"]).succeeded();
}

#[test]
fn a_secret_opens_one_slot_and_no_other() {
    let world = World::with_repository();
    world.file("tree/letter", b"Dear Ada,");
    world.file("same", format!("{}\n", crate::run::PASSWORD).as_bytes());
    let key = world.path("machine.key");
    let key = key.to_str().expect("a text");
    world.run(["key", "add", "--role", "put", "--label", "web1", "--new-key-file", key]).succeeded();
    for line in [
        &["--new-key-file", key][..],
        &cheap(&["--new-password-file", "same"]).iter().map(String::as_str).collect::<Vec<_>>(),
    ] {
        let refused = world.run([&["key", "add", "--role", "read", "--label", "other"][..], line].concat()).ended(2);
        assert!(refused.err.contains("opens the key slot"), "{}", refused.err);
    }
    // Its own slot may get its own password again, with another cost say.
    world.run(cheap(&["key", "passwd", "--new-password-file", "same"])).succeeded();
    world.run(["backup", "tree"]).succeeded();
}

#[test]
fn a_password_is_changed_to_itself_only_for_another_cost_and_a_key_file_never() {
    let world = World::with_repository();
    world.file("same", format!("{}\n", crate::run::PASSWORD).as_bytes());
    let before = contents(&world.path("repository/keys"));
    let refused = world.run(["key", "passwd", "--new-password-file", "same"]).ended(2);
    assert!(refused.err.contains("opens the key already"), "{}", refused.err);
    assert!(contents(&world.path("repository/keys")) == before);
    let changed = world.run(cheap(&["key", "passwd", "--new-password-file", "same"])).succeeded();
    assert!(changed.out.contains("the password is the same"), "{}", changed.out);
    let key = world.path("key");
    let key = key.to_str().expect("a text");
    world.run(["key", "passwd", "--new-key-file", key]).succeeded();
    let refused = world.run(cheap(&["--key-file", key, "key", "passwd", "--new-key-file", key])).ended(2);
    assert!(refused.err.contains("opens the key already"), "{}", refused.err);
}

#[test]
fn a_key_of_which_no_way_in_is_left_is_shown_and_ended() {
    let world = World::with_repository();
    let key = world.path("machine.key");
    let key = key.to_str().expect("a text");
    let added =
        world.run(["key", "add", "--role", "put", "--new-key-file", key, "--json"]).succeeded().only("key_added");
    let (id, signer) = (added["id"].as_str().expect("a name"), added["signer"].as_str().expect("a key"));
    std::fs::remove_file(world.path("repository/keys").join(id)).expect("the slot goes");
    let told = world.run(["check"]).ended(0);
    assert!(told.err.contains("its second copy is there: if nobody removed it"), "{}", told.err);
    let shown = world.run(["key", "list"]).succeeded().out;
    assert!(shown.contains("no slot") && shown.contains(&signer[..8]), "{shown}");
    let listed = world.run(["key", "list", "--json"]).succeeded().json();
    let lost = listed[0].as_array().expect("a list").iter().find(|key| key["opened_by"] == "no slot").expect("the key");
    assert!(lost["signer"] == signer && lost["role"] == "put" && lost.get("id").is_none(), "{lost}");
    let refused = world.run(["key", "remove", &signer[..3]]).ended(2);
    assert!(refused.err.contains("at least 4 digits"), "{}", refused.err);
    let ended = world.run(["key", "remove", &signer[..8]]).succeeded().out;
    assert!(ended.contains("which had no slot here, ended"), "{ended}");
    assert!(!world.run(["key", "list"]).succeeded().out.contains("no slot"));

    let second = ["key", "add", "--new-key-file", key, "--json"];
    let second = world.run(second).succeeded().only("key_added");
    let removed = world.run(["key", "remove", second["id"].as_str().expect("a name")]).succeeded().out;
    assert!(removed.contains("1 other way into this key remains"), "{removed}");
    assert!(removed.contains("later backups included"), "{removed}");
}

/// A disc that is full: half a key file would be refused by the next run, which makes none where there is one.
#[test]
fn a_key_file_that_can_t_be_written_leaves_nothing() {
    let world = World::new();
    let mut command = std::process::Command::new("/bin/sh");
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {} init --key-file key", env!("CARGO_BIN_EXE_holdall"));
    command.arg("-c").arg(script).current_dir(world.path(".")).env_clear();
    command.env("HOME", world.path("home")).env("HOLDALL_REPOSITORY", world.path("repository"));
    let refused = crate::run::Finished::of(&command.output().expect("a shell"));
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("can't write the key file"), "{}", refused.err);
    assert!(!world.path("key").exists());
}
