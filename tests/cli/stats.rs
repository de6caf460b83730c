//! How much snapshots hold, alone and together, and how that came over time.

use crate::run::World;
use serde_json::Value;

/// Bytes that no compression shrinks.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {field}: {value}"))
}

/// A snapshot of each day, of which each has a file more, and what the second has no other one has.
fn world_of_days(days: &[&str]) -> (World, Vec<String>) {
    let world = World::with_repository();
    let mut ids = Vec::new();
    for (place, day) in (0..).zip(days) {
        world.file(format!("tree/{place}"), &noise(place, 200_000));
        if place == 1 {
            world.file("tree/own", &noise(1000, 300_000));
        } else if place > 1 {
            let _ = std::fs::remove_file(world.path("tree/own"));
        }
        let time = format!("{day} 12:00:00");
        let saved = world.run(["backup", "--json", "--host", "h", "--time", &time, "tree"]).succeeded();
        let id = saved.only("summary").get("snapshot_id").and_then(Value::as_str).expect("an id").to_owned();
        ids.push(id);
    }
    (world, ids)
}

fn sizes(world: &World, words: &[&str]) -> Value {
    let lines = world.run(["stats", "--json"].iter().chain(words)).succeeded().json();
    lines.into_iter().next().expect("one line")
}

#[test]
fn what_is_unique_is_what_a_prune_frees_after_the_snapshot_is_forgotten() {
    let (world, ids) = world_of_days(&["2026-01-01", "2026-01-02", "2026-01-03"]);
    let all = sizes(&world, &["--each"]);
    let each = all["snapshots"].as_array().unwrap();
    assert_eq!(each.iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!((number(&all, "snapshots_count"), number(&all, "shared_size")), (3, 0));
    let second = sizes(&world, &[&ids[1]]);
    assert_eq!(second["snapshots"][0]["unique_size"], each[1]["unique_size"]);
    assert_eq!(second["unique_size"], each[1]["unique_size"]);
    let unique = number(&second, "unique_size");
    assert!((300_000..320_000).contains(&unique), "{second}");
    assert!((400_000..420_000).contains(&number(&second, "shared_size")), "{second}");
    let added = number(&each[1], "added_size");
    assert!((500_000..520_000).contains(&added), "its own file, and one that stays: {second}");
    for field in ["deduplication_ratio", "compression_ratio"] {
        let ratio = second[field].as_f64().unwrap();
        assert!((0.98..1.02).contains(&ratio), "{field}: {second}");
    }
    let shown = world.run(["stats", &ids[1]]).succeeded();
    for part in ["Unique", "Shared", "Added", "Stored for them alone", &ids[1][..8]] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }

    let packs = || number(&sizes(&world, &[])["folders"], "packs");
    let before = packs();
    world.run(["forget", &ids[1]]).succeeded();
    let forgotten = sizes(&world, &[&ids[1]]);
    assert!(forgotten["snapshots"][0].get("unique_size").is_none(), "{forgotten}");
    assert_eq!(forgotten["snapshots"][0]["forgotten"], true);
    world.run(["prune", "--max-unused", "0"]).succeeded();
    let freed = before - packs();
    // What is told are frames; what the packs of such frames begin and end with goes with them.
    let is_near = freed >= unique && (freed - unique) * 100 <= unique;
    assert!(is_near, "{freed} bytes were freed, {unique} were unique");
}

#[test]
fn growth_is_told_by_snapshot_and_by_month_and_forgotten_snapshots_stay_in_it() {
    let (world, ids) = world_of_days(&["2026-01-01", "2026-01-31", "2026-03-02"]);
    world.run(["forget", &ids[1]]).succeeded();
    let rows = sizes(&world, &["--growth"]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    let added: Vec<u64> = rows.iter().map(|row| number(row, "added_size")).collect();
    let near = [200_000, 500_000, 200_000];
    assert!(added.iter().zip(near).all(|(added, near)| (near..near + 20_000).contains(added)), "{added:?}");
    let months = sizes(&world, &["--growth=month"]);
    let months = months.as_array().unwrap();
    let told: Vec<_> = months
        .iter()
        .map(|row| {
            let [made, forgotten] = ["snapshots_count", "forgotten_count"].map(|field| number(row, field));
            (row["time"].as_str().unwrap(), made, forgotten, number(row, "total_added_size"))
        })
        .collect();
    assert_eq!(told, [("2026-01", 2, 1, added[0] + added[1]), ("2026-03", 1, 0, added.iter().sum())]);
    for (step, label) in [("year", "2026 "), ("week", "2026-W01 "), ("day", "2026-01-31 ")] {
        let shown = world.run(["stats", &format!("--growth={step}")]).succeeded();
        assert!(shown.out.contains(label), "{}", shown.out);
    }
    let shown = world.run(["stats", "--growth"]).succeeded();
    assert!(shown.out.contains("2026-01-31 12:00:00 (forgotten)"), "{}", shown.out);
    assert_eq!(sizes(&world, &["--growth", "--host", "nobody"]), serde_json::json!([]));
    assert_eq!(world.run(["stats", "--growth", "latest"]).code, Some(2));
}
