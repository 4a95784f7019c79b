//! A real browser and a real mail: an owner invites, the invited makes an account by the link and is in with the role that was
//! given, another address is kept out, the last owner stays, and who is removed is out. On every page what
//! [`super::a_person_sees_an_outage_without_reloading`] asks of pages.

use std::time::Duration;

use picket_tests::browser::{Browser, screenshots};
use picket_tests::wait;
use picket_tests::world::World;

#[test]
fn an_invitation_lets_in_whom_it_is_for() {
    let mut world = World::local();
    let before = world.collector.set_up_link();
    world.collector.restarts_with("[mail]", "[login]\nmode = \"invite\"\n[mail]");
    let mailbox = world.mailbox();
    let link = wait::until("another set-up link", Duration::from_secs(20), || {
        Some(world.collector.set_up_link()).filter(|link| *link != before).ok_or(before.clone())
    });

    let mut browser = Browser::start("members.mjs", &[&world.collector.url, &link, screenshots().to_str().unwrap()]);
    browser.asks("letter");
    let place = format!("{}/invitation/", world.collector.url);
    let letter = wait::until("the mail with the invitation", Duration::from_secs(30), || {
        let mails = mailbox.mails();
        let found = mails.iter().find_map(|mail| {
            let to_bob = mail.header("To").is_some_and(|to| to.contains("bob@example.org"));
            // The line is longer than mail allows, and folded.
            let text = mail.text.replace("=\r\n", "").replace("=\n", "");
            text.split_once(&place).filter(|_| to_bob).map(|(_, rest)| rest[..43].to_owned())
        });
        found.ok_or(())
    });
    browser.answer_with(&format!("{place}{letter}"));
    browser.asks("another");
    world.collector.run(&["organization", "create", "Second house", "--owner", "ada@example.org"]);
    browser.answer();
    browser.ends_well();
}
