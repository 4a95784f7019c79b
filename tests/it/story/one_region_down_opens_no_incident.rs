//! One of three regions does not reach the target: `regional`, shown with its name, and no incident.

use std::time::Duration;

use picket_tests::wait;
use picket_tests::world::World;

const REGIONS: [&str; 3] = ["eu", "us-east", "ap"];

#[test]
fn one_region_down_opens_no_incident() {
    let mut world = World::of_regions(&REGIONS);
    let _shop = world.target(None, &[]);
    world.all_probes();
    let monitor = world.collector.monitor(&world.url(), "http", &REGIONS, &["--name", "shop"]);
    world.collector.until(&monitor, "a word from every region", Duration::from_secs(60), |shown| {
        shown.state() == "up" && REGIONS.iter().all(|region| shown.region(region)["status"] == "up")
    });

    world.target_place().ignores(world.address_of("us-east"));
    let shown = world.collector.until(&monitor, "the overlay", Duration::from_secs(90), |shown| {
        let regional = shown.overlays().contains("regional") && shown.overlays().contains("us-east");
        // A machine that is crowded may let a check of another region fail, which is looked into first.
        regional && shown.state() == "up"
    });
    assert!(shown.incidents().is_empty(), "{shown:#?}");
    assert_eq!(shown.region("us-east")["status"], "down", "{shown:#?}");
    wait::never("an incident", Duration::from_secs(15), || {
        let shown = world.collector.show(&monitor);
        if shown.incidents().is_empty() && shown.state() != "down" { Ok(()) } else { Err(shown) }
    });

    world.target_place().answers(world.address_of("us-east"));
    let shown = world.collector.until(&monitor, "the overlay gone", Duration::from_secs(60), |shown| {
        shown.state() == "up" && !shown.overlays().contains("regional")
    });
    assert!(shown.incidents().is_empty(), "{shown:#?}");
}
