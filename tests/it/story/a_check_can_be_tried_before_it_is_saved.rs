//! A person tries a check that is not saved, from every region, and sees phases, certificate and failure; or checks a
//! saved monitor now. Nothing of it is in any history, and no private address is contacted.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use picket_tests::canary::Canary;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

const REGIONS: [&str; 2] = ["eu", "us-east"];

/// What one region said.
#[track_caller]
fn of<'a>(tried: &'a Value, region: &str) -> &'a Value {
    tried["regions"].as_array().unwrap().iter().find(|row| row["region"] == region).unwrap()
}

/// Runs a command whose exit code says whether all is up, and reads its JSON either way.
#[track_caller]
fn tried(world: &World, arguments: &[&str], all_up: bool) -> Value {
    let (code, found) = world.collector.judged(&[&["monitor"], arguments].concat());
    assert_eq!(code, Some(i32::from(!all_up)), "{arguments:?}: {found:#}");
    found
}

#[test]
fn a_check_can_be_tried_before_it_is_saved() {
    let mut world = World::of_regions(&REGIONS);
    let place = world.place_of("eu").clone();
    let private: SocketAddr = "10.0.0.1:80".parse().unwrap();
    place.also_has("10.0.0.1/32");
    let canary = Canary::listen(&place, &[private]);
    let certificate = world.authority.good(&["shop.test"]);
    let mut shop = world.target(Some(&certificate), &[]);
    let names = world.resolver(&[format!("@ A {}", world.target_address()), "internal A 10.0.0.1".to_owned()]);
    world.all_probes();
    let ready = || {
        let asked = world.collector.command(&["monitor", "test", "http://shop.test/"]);
        if asked.is_ok() {
            return Ok(());
        }
        // There is a limit on how often one may ask.
        thread::sleep(Duration::from_secs(2));
        Err(asked)
    };
    wait::until("probes that take manual checks", Duration::from_secs(60), ready);

    the_waterfall_is_shown(&world);
    each_failure_is_told(&world, &mut shop);
    a_private_address_is_never_contacted(&world, &canary);
    a_region_without_a_probe_says_so_at_once(&mut world);
    a_saved_monitor_can_be_checked_now(&world);
    assert!(names.address.port() == 53 && shop.requests() > 0);
}

fn the_waterfall_is_shown(world: &World) {
    let authority = world.authority_file();
    let url = "https://shop.test/";
    let found = tried(world, &["test", url, "--ca-file", authority, "--contains", "open"], true);
    for region in REGIONS {
        let row = of(&found, region);
        assert_eq!((&row["state"], &row["outcome"]["status"]), (&"done".into(), &"up".into()), "{found:#}");
        let phases = &row["outcome"]["phases"];
        for phase in ["resolve", "connect", "tls", "send", "wait", "receive"] {
            assert!(phases[phase].is_u64(), "{region} has no {phase}: {found:#}");
        }
        assert_eq!(row["outcome"]["certificate"]["names"][0], "shop.test", "{found:#}");
    }
    let text = world.collector.run(&["monitor", "test", url, "--ca-file", authority, "--region", "eu"]);
    for expected in ["── eu", "UP  https://shop.test/  HTTP 200", "  resolve", "  tls", "█", "certificate"] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    let records = tried(world, &["test", "shop.test", "--kind", "dns", "--region", "eu"], true);
    assert_eq!(of(&records, "eu")["outcome"]["answers"][0], world.target_address().to_string(), "{records:#}");
    let list = world.collector.json(&["monitor", "list"]);
    assert_eq!(list.as_array().map(Vec::len), Some(0), "nothing was saved");
}

fn each_failure_is_told(world: &World, shop: &mut picket_tests::target::Target) {
    let failure = |arguments: &[&str]| {
        let found = tried(world, &[arguments, &["--region", "eu"]].concat(), false);
        of(&found, "eu")["outcome"].clone()
    };
    let missing = failure(&["test", "http://shop.test/", "--contains", "sold out"]);
    assert_eq!((&missing["status"], &missing["failure"]["kind"]), (&"down".into(), &"http_text_missing".into()));
    let untrusted = failure(&["test", "https://shop.test/"]);
    assert_eq!(untrusted["failure"]["kind"], "certificate_untrusted", "{untrusted:#}");
    assert!(untrusted["certificate"]["fingerprint"].is_string(), "{untrusted:#}");
    shop.breaks();
    let refused = failure(&["test", "http://shop.test/"]);
    assert_eq!(refused["failure"]["kind"], "connect_refused", "{refused:#}");
    shop.starts();
    let wrong = world.collector.command(&["monitor", "test", "ftp://shop.test/"]).unwrap_err();
    assert!(wrong.contains("use http or https"), "{wrong}");
}

fn a_private_address_is_never_contacted(world: &World, canary: &Canary) {
    for target in ["http://10.0.0.1/", "http://internal.shop.test/", "http://127.0.0.1/"] {
        let found = tried(world, &["test", target, "--region", "eu"], false);
        let outcome = &of(&found, "eu")["outcome"];
        assert_eq!(outcome["status"], "unmeasured", "{found:#}");
        assert_eq!(outcome["failure"]["kind"], "blocked_by_policy", "{found:#}");
    }
    assert_eq!(canary.hits(), 0);
}

fn a_region_without_a_probe_says_so_at_once(world: &mut World) {
    world.collector.add_probe("ap", &[]);
    let found = tried(world, &["test", "http://shop.test/", "--region", "ap"], false);
    assert_eq!((&of(&found, "ap")["state"], &of(&found, "ap")["refused"]), (&"refused".into(), &"no_probe".into()));
    // Those that can still answer.
    let found = tried(world, &["test", "http://shop.test/"], false);
    assert_eq!((&of(&found, "eu")["state"], &of(&found, "ap")["state"]), (&"done".into(), &"refused".into()));
}

fn a_saved_monitor_can_be_checked_now(world: &World) {
    let password = world.file("password", "hunter2");
    let with_credentials = ["--basic-user", "cat", "--basic-password-file", &password, "--not-eu-only"];
    // So far apart that no slot comes while this runs.
    let every = [&["--every", "24h", "--timeout", "5s", "--name", "shop"], &with_credentials[..]].concat();
    let regions = ["--region", "eu", "--region", "us-east"];
    let add = [&["monitor", "add", "http://shop.test/", "--kind", "http"], &regions[..], &every].concat();
    let id = world.collector.json(&add)["id"].as_str().unwrap().to_owned();
    let first =
        |shown: &picket_tests::collector::Shown| REGIONS.iter().all(|region| shown.region(region)["status"] == "up");
    world.collector.until(&id, "the first outcomes", Duration::from_secs(60), first);
    // A first check that was asked for twice may still be on its way: good news waits for up to 10 s at a probe.
    let mut before = world.collector.show(&id);
    wait::until("that no outcome comes any more", Duration::from_secs(60), || {
        thread::sleep(Duration::from_secs(11));
        let known = std::mem::replace(&mut before, world.collector.show(&id)).outcomes().len();
        if before.outcomes().len() == known { Ok(()) } else { Err(known) }
    });
    let found = tried(world, &["check", "shop"], true);
    assert_eq!(found["monitor"], id, "{found:#}");
    assert_eq!(
        (of(&found, "eu")["state"].clone(), of(&found, "us-east")["state"].clone()),
        ("done".into(), "done".into())
    );
    let after = world.collector.show(&id);
    assert_eq!(after.outcomes().len(), before.outcomes().len(), "a manual check is in no history: {after:#?}");
    assert_eq!(after.region("eu")["last_at"], before.region("eu")["last_at"]);
}
