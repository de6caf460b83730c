//! Figures that a run pushes: what arrives, and that nothing depends on whether it does.

use crate::profiles::{BACKUP, run, text, world};
use crate::run::World;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const REPOSITORY: &str = "[repository.r]\nstore = \"repository\"\npassword-file = \"password\"\n";

fn profile(world: &World, top: &str, sets: &str) {
    let file = world.path("home/.config/holdall/holdall.toml");
    std::fs::write(file, format!("{top}\n{REPOSITORY}{sets}")).expect("a profile");
}

/// A gateway that takes one request, answers it, and gives back its head and its body.
fn gateway(answer: &'static str) -> (String, JoinHandle<(Vec<String>, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a caller");
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).expect("a line");
            if line.trim_end().is_empty() {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let length = head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        stream.read_exact(&mut body).expect("a body");
        stream.get_mut().write_all(answer.as_bytes()).expect("it listens");
        (head, String::from_utf8(body).expect("text"))
    });
    (address, serving)
}

#[test]
fn a_gateway_gets_the_figures_of_a_run_under_the_names_of_machine_and_set() {
    let world = world("");
    std::fs::create_dir(world.path("metrics")).expect("a folder");
    let (address, serving) = gateway("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    let top = format!(
        "metrics-folder = \"{}\"\nmetrics-push = \"http://{address}/metrics/job/holdall/instance/{{host}}/set/{{set}}\"",
        world.path("metrics").display()
    );
    profile(&world, &top, BACKUP);
    let done = run(&world, &["run"]).succeeded();
    assert!(!done.err.contains("pushed"), "{}", done.err);
    let (head, body) = serving.join().expect("it was served");
    let host = rustix::system::uname().nodename().to_str().expect("text").to_owned();
    assert_eq!(head.first(), Some(&format!("PUT /metrics/job/holdall/instance/{host}/set/home HTTP/1.1")));
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.iter().any(|line| line.to_lowercase() == kind), "{head:?}");
    assert_eq!(body, text(&world, "metrics/holdall-home.prom"));
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[test]
fn a_gateway_that_refuses_answers_badly_or_hangs_is_told_and_changes_nothing() {
    let refusing = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (failing, serving) = gateway("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let (elsewhere, moving) =
        gateway("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    let cases = [
        (failing, "it answered 500"),
        (elsewhere, "it answered 302"),
        (hanging.local_addr().expect("an address").to_string(), "timeout"),
        (refusing, "refused"),
    ];
    for (address, why) in cases {
        let world = world("");
        let top = format!("metrics-push = {{ url = \"http://me:secret@{address}/\", timeout = \"1s\" }}");
        profile(&world, &top, BACKUP);
        let began = Instant::now();
        let done = run(&world, &["run", "--json"]).ended(0);
        assert!(began.elapsed() < Duration::from_secs(30), "{why}");
        assert_eq!(done.only("set_summary")["outcome"], "ok", "{why}");
        let told = format!("the figures of home were not pushed to {address}: ");
        assert!(done.err.contains(&told) && done.err.contains(why), "{why}: {}", done.err);
        assert!(!done.err.contains("secret"), "{}", done.err);
    }
    serving.join().expect("it was served");
    moving.join().expect("it was served");
}

#[test]
fn a_command_gets_the_figures_on_its_standard_input() {
    let world = world("");
    std::fs::create_dir(world.path("metrics")).expect("a folder");
    let note = world.path("note").display().to_string();
    let folder = format!("metrics-folder = \"{}\"", world.path("metrics").display());
    profile(
        &world,
        &format!("{folder}\nmetrics-push-command = '(echo $HOLDALL_SET $HOLDALL_HOOK; cat) > {note}'"),
        BACKUP,
    );
    run(&world, &["run"]).succeeded();
    let page = text(&world, "metrics/holdall-home.prom");
    assert_eq!(text(&world, "note"), format!("home metrics-push-command\n{page}"));

    for (command, why) in [
        ("[\"false\"]", "exit status: 1"),
        ("[\"true\"]", ""),
        ("[\"no-such-program\"]", "it can't be run"),
        ("{ run = \"exec sleep 60\", timeout = \"1s\" }", "it did not end within 1 s"),
    ] {
        profile(&world, &format!("metrics-push-command = {command}"), BACKUP);
        let done = run(&world, &["run"]).ended(0);
        let told = "the figures of home were not pushed by metrics-push-command: ";
        assert_eq!(done.err.contains(told), !why.is_empty(), "{command}: {}", done.err);
        assert!(done.err.contains(why), "{command}: {}", done.err);
    }
}

#[test]
fn a_gateway_that_cannot_be_meant_is_refused_before_anything_begins() {
    let two = format!("{BACKUP}[set.other.prune]\n");
    for (push, sets, why) in [
        ("\"https://gateway/\"", BACKUP, "metrics-push-command"),
        ("\"gateway:9091\"", BACKUP, "begins with http://"),
        ("\"http://gateway/{hots}\"", BACKUP, "only {set} and {host}"),
        ("\"http://gateway/metrics\"", &two, "{set} has to stand"),
        ("{ timeout = \"1s\" }", BACKUP, "has no url"),
        ("{ url = \"http://gateway\", tiemout = \"1s\" }", BACKUP, "did you mean \"timeout\"?"),
        ("{ url = \"http://gateway\", timeout = \"soon\" }", BACKUP, "a length of time"),
    ] {
        let world = world("");
        profile(&world, &format!("metrics-push = {push}"), sets);
        let refused = run(&world, &["run"]).ended(2);
        assert!(refused.err.contains("holdall.toml:1: ") && refused.err.contains(why), "{push}: {}", refused.err);
    }
}
