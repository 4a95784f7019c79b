//! Two of three regions do not reach the target: an incident; they reach it again: resolved.

use std::time::Duration;

use picket_tests::world::World;

const REGIONS: [&str; 3] = ["eu", "us-east", "ap"];

#[test]
fn two_of_three_regions_down_open_an_incident() {
    let mut world = World::of_regions(&REGIONS);
    let _shop = world.target(None, &[]);
    world.all_probes();
    let monitor = world.collector.monitor(&world.url(), "http", &REGIONS, &["--name", "shop"]);
    world.collector.until(&monitor, "a word from every region", Duration::from_secs(60), |shown| {
        shown.state() == "up" && REGIONS.iter().all(|region| shown.region(region)["status"] == "up")
    });

    for region in ["us-east", "ap"] {
        world.target_place().ignores(world.address_of(region));
    }
    let shown =
        world.collector.until(&monitor, "an incident", Duration::from_secs(60), |shown| shown.state() == "down");
    assert_eq!(shown.incidents().len(), 1, "{shown:#?}");
    assert_eq!(shown.incidents()[0]["failure"]["kind"], "connect_timeout", "{shown:#?}");
    assert_eq!(shown.region("eu")["status"], "up", "{shown:#?}");

    for region in ["us-east", "ap"] {
        world.target_place().answers(world.address_of(region));
    }
    let shown = world.collector.until(&monitor, "the end", Duration::from_secs(60), |shown| shown.state() == "up");
    assert_eq!(shown.incidents().len(), 1, "{shown:#?}");
    assert!(shown.incidents()[0]["resolved_at"].is_string(), "{shown:#?}");
}
