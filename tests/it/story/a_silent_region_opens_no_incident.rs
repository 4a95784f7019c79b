//! Three regions, one cut off: no incident, its slots are a gap, and `monitor show` says which region is silent.

use std::time::Duration;

use picket_shared::time::Timestamp;
use picket_tests::world::World;
use serde_json::Value;

const REGIONS: [&str; 3] = ["eu", "us-east", "ap"];

#[test]
fn a_silent_region_opens_no_incident() {
    let mut world = World::of_regions(&REGIONS);
    let _shop = world.target(None, &[]);
    world.all_probes();
    let monitor = world.collector.monitor(&world.url(), "http", &REGIONS, &["--name", "shop"]);
    let before = world.collector.until(&monitor, "a word from every region", Duration::from_secs(60), |shown| {
        shown.state() == "up" && REGIONS.iter().all(|region| shown.region(region)["status"] == "up")
    });

    world.place_of("ap").cut_off();
    let limit = Duration::from_secs(150);
    let shown = world.collector.until(&monitor, "silence and a gap of one region", limit, |shown| {
        let gap = shown.gaps().iter().any(|gap| gap["region"] == "ap" && gap["reason"] == "probe_offline");
        shown.region("ap")["silent"] == true && gap
    });
    assert_eq!((shown.state().as_str(), shown.incidents().len()), ("up", 0), "{shown:#?}");
    // On a machine that is busy each may have begun late, or missed a slot: no silence of theirs began with the cut.
    let cut = before.uptime().to;
    for region in ["eu", "us-east"] {
        assert_eq!(shown.region(region)["silent"], false, "{shown:#?}");
        let is_silence = |gap: &Value| gap["reason"] == "probe_offline" && at(&gap["from"]) > cut;
        let gaps: Vec<_> = shown.gaps().iter().filter(|gap| gap["region"] == region && is_silence(gap)).collect();
        assert!(gaps.is_empty(), "{gaps:#?} since {cut}");
    }
    // A person sees it too.
    let text = world.collector.run(&["monitor", "show", &monitor]);
    assert!(text.lines().any(|line| line.contains("ap") && line.contains("silent")), "{text}");

    world.place_of("ap").reconnect();
    // What it failed to reach while it was cut off comes late: reason to ask it again, and no vote.
    let shown = world.collector.until(&monitor, "the region back", Duration::from_secs(60), |shown| {
        assert!(shown.incidents().is_empty(), "{shown:#?}");
        shown.region("ap")["silent"] == false && shown.region("ap")["status"] == "up" && shown.state() == "up"
    });
    assert!(shown.incidents().is_empty(), "{shown:#?}");
}

fn at(time: &Value) -> Timestamp {
    time.as_str().unwrap().parse().unwrap()
}
