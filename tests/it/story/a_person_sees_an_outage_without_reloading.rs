//! A real browser: set-up link, first monitor, a real target breaks and the list turns red without a reload, a mail comes,
//! the target is mended and the list is green; then what guards the account: proof, a second factor, a link by mail, keys,
//! the log. On every page: no report of the content security policy, no error on the
//! console, nothing that axe-core finds, below 100 KiB, on desktop and phone, light and dark.

use std::time::Duration;

use picket_tests::browser::{Browser, screenshots};
use picket_tests::wait;
use picket_tests::world::World;

#[test]
fn a_person_sees_an_outage_without_reloading() {
    let mut world = World::local();
    let mut shop = world.target(None, &[]);
    let mailbox = world.mailbox();
    world.probe("eu");
    world.collector.trusted_channel(&["email", "ada@example.org", "--name", "mail"]);
    let link = world.collector.set_up_link();

    let shots = screenshots();
    let mut browser =
        Browser::start("journey.mjs", &[&world.collector.url, &link, &world.url(), shots.to_str().unwrap()]);
    browser.asks("added");
    browser.answer();
    browser.asks("break");
    shop.breaks();
    browser.answer();
    browser.asks("mend");
    let mails = wait::until("the mail", Duration::from_secs(30), || match mailbox.mails() {
        none if none.is_empty() => Err(()),
        mails => Ok(mails),
    });
    let link = format!("{}/incidents/", world.collector.url);
    assert!(mails[0].text.contains(&link), "no link to the incident in {}", mails[0].text);
    shop.starts();
    browser.answer();
    browser.asks("letter");
    let place = format!("{}/link/", world.collector.url);
    let letter = wait::until("the mail with the link", Duration::from_secs(30), || {
        let mails = mailbox.mails();
        let found = mails.iter().find_map(|mail| mail.text.split_once(&place)).map(|(_, rest)| rest[..43].to_owned());
        found.ok_or(())
    });
    browser.answer_with(&format!("{place}{letter}"));
    browser.ends_well();
}
