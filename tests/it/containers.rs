//! The container files: pinned, unprivileged, read-only, without a secret. `hadolint` judges the rest (`tests/run`).

use std::fs;

use crate::tidy::root;

/// Each program and the user that its container runs as.
const CONTAINERS: &[(&str, &str)] = &[("collector", "10001:10001"), ("probe", "65532:65532")];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// What stands below `  name:` in the compose file's services.
fn service(compose: &str, name: &str) -> Vec<String> {
    let head = format!("  {name}:");
    let below = compose.lines().skip_while(|line| **line != head).skip(1);
    below.take_while(|line| line.is_empty() || line.starts_with("    ")).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_image_is_built_from_pinned_ones_with_our_toolchain_and_runs_as_nobody_special() {
    let toolchain = read("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).unwrap();
    for (name, user) in CONTAINERS {
        let image = read(&format!("deploy/image/{name}.Dockerfile"));
        let lines: Vec<&str> = image.lines().collect();
        let bases: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("FROM ")).collect();
        assert_eq!(bases.len(), 2, "{name}: one stage to build, one to run");
        assert_eq!(bases[0], format!("docker.io/library/rust:{version}-bookworm AS build"));
        let (_, tag) = bases[1].rsplit_once(':').unwrap();
        assert_ne!(tag, "latest", "{name}");
        assert!(lines.contains(&format!("ENV RUSTUP_TOOLCHAIN={version}").as_str()), "{name}");
        assert!(image.contains("cargo build --locked --release"), "{name}");
        let users: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("USER ")).collect();
        assert_eq!(users, [*user], "{name}");
    }
    let probe = read("deploy/image/probe.Dockerfile");
    let last_stage = probe.rsplit("\nFROM ").next().unwrap();
    assert!(!last_stage.contains("\nRUN "), "the probe's image has no shell to run anything with");
}

#[test]
fn every_container_is_read_only_and_has_no_capability() {
    let compose = read("deploy/compose/compose.yml");
    let services = compose.split("\nservices:\n").nth(1).unwrap().split("\nvolumes:\n").next().unwrap();
    let names = services.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> =
        names.map(|line| line.trim().trim_end_matches(':')).filter(|name| !name.starts_with('#')).collect();
    assert_eq!(names, CONTAINERS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, user) in CONTAINERS {
        let service = service(&compose, name);
        let user = format!("user: \"{user}\"");
        for line in ["read_only: true", "cap_drop: [ALL]", "security_opt: [\"no-new-privileges:true\"]", &user] {
            assert!(service.iter().any(|found| found == line), "{name} lacks {line}");
        }
        for word in ["privileged:", "cap_add:", "network_mode:", "pid:", "docker.sock"] {
            assert!(!service.iter().any(|found| found.starts_with(word)), "{name} has {word}");
        }
    }
    assert!(!service(&compose, "probe").iter().any(|line| line.starts_with("volumes:")), "a probe keeps nothing");
}

#[test]
fn secrets_are_files_that_neither_git_nor_an_image_takes_in() {
    let compose = read("deploy/compose/compose.yml");
    for file in compose.lines().filter_map(|line| line.trim().strip_prefix("file: ")) {
        assert!(file.starts_with("./secrets/"), "{file}");
    }
    for line in compose.lines().map(str::trim).filter(|line| line.starts_with("PICKET_") && line.contains(": ")) {
        assert!(line.contains("_FILE: /run/secrets/"), "{line}");
    }
    assert!(read(".gitignore").lines().any(|line| line == "/deploy/compose/secrets"));
    // Everything is kept out of the build unless it is named.
    assert!(read(".dockerignore").lines().any(|line| line == "*"));
}

#[test]
fn the_settings_in_the_container_are_valid_and_keep_keys_apart_from_data() {
    let text = read("deploy/compose/config.toml");
    toml::from_str::<picket_collector::config::Config>(&text).unwrap();
    let keys: toml::Table = text.parse().unwrap();
    assert!(keys["http"].get("certificate_file").is_some() && keys["http"].get("key_file").is_some());
    assert_eq!(keys["keys"]["directory"].as_str(), Some("/var/lib/picket-keys"));
    assert_eq!(keys["database"]["data_dir"].as_str(), Some("/var/lib/picket/data"));
    let volumes = read("deploy/image/collector.Dockerfile");
    for folder in ["/var/lib/picket", "/var/lib/picket-keys"] {
        assert!(volumes.contains(&format!("\"{folder}\"")), "{folder} is no volume");
    }
}
