//! A real browser with an authenticator of its own: a passkey is added, lets its user in alone and beside the password, proves
//! again who it is, and lets nobody in once it is removed.

use std::time::Duration;

use picket_tests::browser::{Browser, screenshots};
use picket_tests::wait;
use picket_tests::world::World;

#[test]
fn a_passkey_lets_its_user_in() {
    let mut world = World::local();
    // Browsers know passkeys at names only.
    let (url, address) = (world.collector.url.clone(), world.collector.address);
    let base = format!("http://localhost:{}", address.port());
    world.collector.restarts_with(&format!("public_url = \"{url}\""), &format!("public_url = \"{base}\""));
    let begins = format!("{base}/set-up/");
    let link = wait::until("the set-up link", Duration::from_secs(20), || {
        let log = world.collector.log();
        log.split_whitespace().find(|word| word.starts_with(&begins)).map(str::to_owned).ok_or(log)
    });
    let shots = screenshots();
    let arguments = [base.as_str(), &address.ip().to_string(), &link, shots.to_str().unwrap()];
    let browser = Browser::start("passkey.mjs", &arguments);
    browser.ends_well();
}
