//! nginx ends TLS in front of a collector that speaks plain HTTP to it and to nobody else: a probe works through it, and
//! who asks is whom the proxy names, whatever a client claims.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use picket_tests::curl::{Got, get};
use picket_tests::net::Place;
use picket_tests::process::Process;
use picket_tests::wait;
use picket_tests::world::World;

const HTTP: &str = "[http]\nlisten = \"45.64.0.1:8080\"\npublic_url = \"https://45.64.0.10:8443\"\n\
                    trusted_proxies = [\"45.64.0.10/32\"]\n[metrics]\nallow = [\"45.64.0.101/32\"]";

#[test]
fn a_proxy_that_does_https_says_who_asks() {
    let mut world = World::of_regions_with(&["eu", "us"], HTTP, SocketAddr::from(([45, 64, 0, 1], 8080)));
    let _shop = world.target(None, &[]);
    let _proxy = proxy(&world);
    world.collector.url = "https://45.64.0.10:8443".to_owned();
    world.probe("eu");
    let monitor = world.collector.monitor(&world.url(), "http", &["eu"], &["--name", "shop"]);
    let limit = Duration::from_secs(60);
    world.collector.until(&monitor, "an outcome by way of the proxy", limit, |shown| shown.is_last("up"));

    // Nobody but the proxy is let in to the plain listener, nor believed.
    for headers in [&["X-Forwarded-For: 45.64.0.101"][..], &[]] {
        let direct = ask(world.place_of("us"), "http://45.64.0.1:8080/healthz", headers, &world);
        assert_eq!(direct.status, 0, "{direct:?}");
    }
    // `eu` is 45.64.0.101 and may read the metrics; `us` may not, and cannot make itself pass for it.
    let url = "https://45.64.0.10:8443/metrics";
    let allowed = ask(world.place_of("eu"), url, &[], &world);
    assert!(allowed.status == 200 && allowed.body.contains("picket_batches_total{result=\"stored\"}"), "{allowed:?}");
    for headers in [
        &[][..],
        &["X-Forwarded-For: 45.64.0.101"],
        &["X-Forwarded-For: 127.0.0.1, 45.64.0.101", "X-Forwarded-For: 45.64.0.101"],
        &["Forwarded: for=45.64.0.101"],
        &["X-Real-IP: 45.64.0.101", "X-Forwarded-Proto: https"],
    ] {
        let refused = ask(world.place_of("us"), url, headers, &world);
        assert_eq!(refused.status, 404, "{headers:?}: {refused:?}");
    }
    // It is HTTPS to the client, so browsers are told to stay there.
    let whole = get(
        world.place_of("us"),
        "https://45.64.0.10:8443/healthz",
        &["--include", "--cacert", world.authority_file()],
    );
    assert!(whole.body.to_ascii_lowercase().contains("strict-transport-security"), "{whole:?}");
    // On the collector's own machine the listener answers, for doctor and its like.
    let here = ask(world.collector.place(), "http://45.64.0.1:8080/healthz", &[], &world);
    assert_eq!(here.status, 200, "{here:?}");
}

fn ask(place: &Place, url: &str, headers: &[&str], world: &World) -> Got {
    let mut arguments = vec!["--cacert", world.authority_file()];
    for header in headers {
        arguments.extend(["--header", header]);
    }
    get(place, url, &arguments)
}

/// A proxy at the target's place, as a person sets one up.
fn proxy(world: &World) -> Process {
    let folder = world.folder("proxy");
    fs::create_dir_all(&folder).unwrap();
    let certificate = world.authority.good(&["45.64.0.10"]);
    let (file, key, here) = (certificate.file.display(), certificate.key.display(), folder.display());
    let mut text = format!("daemon off;\nworker_processes 1;\npid {here}/nginx.pid;\nerror_log stderr notice;\n");
    text.push_str("events { worker_connections 256; }\nhttp {\naccess_log off;\n");
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "{kind}_temp_path {here}/{kind};");
    }
    let _ = write!(
        text,
        "server {{\nlisten 45.64.0.10:8443 ssl http2;\nssl_certificate {file};\nssl_certificate_key {key};\n\
         location / {{\nproxy_pass http://45.64.0.1:8080;\nproxy_http_version 1.1;\nproxy_read_timeout 60s;\n\
         proxy_set_header Host $host;\nproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         proxy_set_header X-Forwarded-Proto $scheme;\n}}\n}}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), text).unwrap();
    let mut command = world.target_place().command("/usr/sbin/nginx");
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(&folder).args(["-e", "stderr"]);
    let process = Process::start("nginx", command, &folder.join("nginx.log"));
    wait::until("nginx", Duration::from_secs(20), || world.target_place().connect("45.64.0.10:8443".parse().unwrap()));
    process
}
