//! nginx stops: one incident within the promised time, one message on each channel; it starts again: one more each.

use std::time::Duration;

use picket_shared::time::Stopwatch;
use picket_tests::mailbox::{Mailbox, Receiver};
use picket_tests::wait;
use picket_tests::world::World;

const SECRET: &str = "whsec_cGlja2V0IHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleSE=";
/// What came to each channel before: the code that verified it.
const CODES: usize = 1;
/// One region: interval + 3 x timeout + 10 s.
const PROMISE: Duration = Duration::from_secs(5 + 3 * 2 + 10);

#[test]
fn an_outage_is_told_once_and_resolved_once() {
    let mut world = World::local();
    let (mailbox, (receiver, hook)) = (world.mailbox(), world.receiver());
    let secret = world.file("webhook-secret", SECRET);
    world.collector.run(&["channel", "add", "email", "oncall@example.org", "--name", "on call"]);
    world.collector.run(&["channel", "add", "webhook", &hook, "--name", "bot", "--secret-file", &secret]);
    world.collector.verify_channel("on call", mailbox.code());
    world.collector.verify_channel("bot", receiver.code());
    let mut shop = world.target(None, &[]);
    world.probe("eu");
    let monitor = world.collector.monitor(&world.url(), "http", &["eu"], &["--name", "shop"]);
    world.collector.until(&monitor, "the monitor up", Duration::from_secs(60), |shown| shown.state() == "up");
    told(&mailbox, &receiver, 0);

    let watch = Stopwatch::start();
    shop.breaks();
    wait::until("a message on each channel", PROMISE, || counts(&mailbox, &receiver, 1));
    println!("told after {:?}, promised {PROMISE:?}", watch.elapsed());
    let shown =
        world.collector.until(&monitor, "the incident", Duration::from_secs(5), |shown| shown.state() == "down");
    assert_eq!(shown.incidents().len(), 1, "{shown:#?}");
    assert_eq!(shown.incidents()[0]["failure"]["kind"], "connect_refused", "{shown:#?}");
    assert!(shown.incidents()[0]["resolved_at"].is_null(), "{shown:#?}");
    wait::never("a second message", Duration::from_secs(10), || at_most(&mailbox, &receiver, 1));

    shop.starts();
    wait::until("a message that it is over", Duration::from_secs(60), || counts(&mailbox, &receiver, 2));
    wait::never("a third message", Duration::from_secs(10), || at_most(&mailbox, &receiver, 2));
    let shown = world.collector.show(&monitor);
    assert_eq!((shown.state().as_str(), shown.incidents().len()), ("up", 1), "{shown:#?}");
    assert!(shown.incidents()[0]["resolved_at"].is_string(), "{shown:#?}");
    is_well_told(&mailbox, &receiver);
}

fn is_well_told(mailbox: &Mailbox, receiver: &Receiver) {
    for mail in mailbox.mails().iter().skip(CODES) {
        assert!(mail.header("subject").is_some_and(|subject| subject.contains("shop")), "{}", mail.text);
        assert!(mail.header("to").is_some_and(|to| to.contains("oncall@example.org")), "{}", mail.text);
    }
    let calls = receiver.calls().split_off(CODES);
    for call in &calls {
        assert!(call.is_signed_with(SECRET), "{:?}", call.headers);
        assert!(call.json().to_string().contains("shop"), "{}", call.json());
    }
    assert_ne!(calls[0].headers["webhook-id"], calls[1].headers["webhook-id"]);
}

fn told(mailbox: &Mailbox, receiver: &Receiver, count: usize) {
    assert_eq!(counts(mailbox, receiver, count), Ok(()));
}

fn counts(mailbox: &Mailbox, receiver: &Receiver, count: usize) -> Result<(), (usize, usize)> {
    let seen = (mailbox.mails().len() - CODES, receiver.calls().len() - CODES);
    if seen == (count, count) { Ok(()) } else { Err(seen) }
}

fn at_most(mailbox: &Mailbox, receiver: &Receiver, count: usize) -> Result<(), (usize, usize)> {
    let seen = (mailbox.mails().len() - CODES, receiver.calls().len() - CODES);
    if seen.0 <= count && seen.1 <= count { Ok(()) } else { Err(seen) }
}
