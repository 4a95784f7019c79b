//! With `[log] format = "json"` every line that collector and probe write is one JSON object, and no text from outside
//! ends a line early or reaches a terminal raw: names, targets, versions, answers of receivers, and fatal errors too.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use picket_shared::wire::HELLO_PATH;
use picket_tests::forger::{Forger, compress};
use picket_tests::process::{Process, our_program};
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::{Value, json};

/// A line that looks like one of ours, codes for a terminal in 7 and 8 bits, and what else breaks lines.
const HOSTILE: &str = "x\r\n{\"level\":\"INFO\"}\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{7f}\u{2028}y";

#[test]
fn every_line_of_the_log_is_one_json_object() {
    let mut world = World::local();
    let text = "[log]\nlevel = \"info\"\n";
    world.collector.restarts_with(text, "[log]\nlevel = \"trace\"\nformat = \"json\"\n");
    // It listens before it has written its first line.
    let first = || world.collector.log().find('{').ok_or("none yet");
    let before = wait::until("the first line of the new start", Duration::from_secs(30), first);

    let (_, token) = world.collector.add_probe("forged", &[]);
    let forger = Forger::enrol(world.collector.address, &token);
    let hello = json!({ "boot": forger.boot, "version": HOSTILE, "kinds": ["http"] });
    let answer = forger.request("POST", HELLO_PATH, &compress(&serde_json::to_vec(&hello).unwrap()));
    assert_eq!(answer.status, 200, "{answer:?}");

    let hook = SocketAddr::from((world.target_address(), 8099));
    receiver(world.collector.place().listen(hook));
    let url = format!("http://{hook}/");
    // Names of more than one line are refused where they are given.
    assert!(world.collector.command(&["channel", "add", "webhook", &url, "--name", HOSTILE]).is_err());
    world.collector.trusted_channel(&["webhook", &url, "--name", "hook"]);

    let (_, token) = world.collector.add_probe("eu", &[]);
    let target = format!("http://{}:9/%0d%0a%1b[2J", world.target_address());
    let monitor = world.collector.monitor(&target, "http", &["eu"], &["--name", "shop \"} {\"level\":\"INFO\"}"]);
    let settings = format!(
        "collector_url = \"{}\"\n[egress]\nallow = [\"{}/32\"]\n[log]\nlevel = \"debug\"\nformat = \"json\"\n",
        world.collector.url,
        world.target_address()
    );
    let settings = world.file("json.toml", &settings);
    let mut command = world.collector.place().command(our_program("picket-probe"));
    command.arg("run").env("PICKET_TOKEN", &token).env("PICKET_PROBE_CONFIG", settings);
    let mut probe = Process::start("picket-probe run", command, &world.folder("json.log"));
    world.collector.until(&monitor, "an incident", Duration::from_secs(60), |shown| !shown.incidents().is_empty());
    wait::until("a failed delivery in the log", Duration::from_secs(60), || {
        let log = world.collector.log();
        if log.contains("is tried again") { Ok(()) } else { Err(log) }
    });
    probe.stop();

    // A second collector on the same data cannot start, and says so in the same form.
    let error = world.collector.command(&["serve"]).unwrap_err();
    let fatal = lines(&error);
    assert!(fatal.iter().any(|line| line["level"] == "ERROR"), "{error}");
    world.collector.stops();
    let (collector, probe) = (world.collector.log(), probe.log());
    let heard = lines(&collector[before..]);
    assert!(heard.iter().any(|line| line["probe.version"] == HOSTILE), "the hostile version was logged whole");
    assert!(heard.iter().any(|line| message(line).contains("evil")), "the receiver's answer was logged");
    assert!(lines(&probe).iter().any(|line| message(line).contains("Confined by the kernel")));
    assert!(!probe.contains("%0d"), "a probe logs no target: {probe}");
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}

/// Every line, each of which must be an object that says when, how severe and what, without any raw control character.
#[track_caller]
fn lines(log: &str) -> Vec<Value> {
    let read = |line: &str| {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let value: Value = serde_json::from_str(line).unwrap_or(Value::Null);
        assert!(value.is_object(), "{line:?}");
        for key in ["timestamp", "level", "message", "target"] {
            assert!(value[key].is_string(), "no {key} in {line}");
        }
        value
    };
    assert!(!log.is_empty() && log.ends_with('\n'));
    log.lines().map(read).collect()
}

/// Answers every request with an error that looks like a line of the log, and worse.
fn receiver(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = format!("evil{HOSTILE}");
            let head = format!("HTTP/1.1 503 No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
}
