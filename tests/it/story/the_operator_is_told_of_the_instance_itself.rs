//! A drill that fails is told to the operator by mail within minutes; an address of the operator's choice is asked for while the collector
//! runs, and no more when it does not.

use std::fs;
use std::thread;
use std::time::Duration;

use picket_tests::archive::{archiving, first_backup, folder};
use picket_tests::wait;

#[test]
fn the_operator_is_told_of_the_instance_itself() {
    let mut world = archiving();
    let mailbox = world.mailbox();
    let switch = world.target(None, &[]);
    let section =
        format!("[operator]\nmail = [\"ops@example.org\"]\nping_url = \"{}\"\nping_seconds = 10\n[log]\n", world.url());
    world.collector.restarts_with("[log]\n", &section);
    first_backup(&world);
    wait::until("two pings", Duration::from_secs(60), || {
        if switch.requests() >= 2 { Ok(()) } else { Err(switch.requests()) }
    });
    let archive = folder(&world).join("archive");
    let system =
        fs::read_dir(&archive).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    for backup in fs::read_dir(system.join("base")).unwrap().flatten() {
        fs::write(backup.path().join("part-000000"), "damaged").unwrap();
    }
    assert_eq!(world.collector.judged(&["drill"]).0, Some(1));
    let mail = wait::until("the mail", Duration::from_secs(150), || {
        let mails = mailbox.mails();
        let subject = |mail: &picket_tests::mailbox::Mail| mail.header("Subject").unwrap_or_default();
        let found = mails.iter().find(|mail| mail.text.contains("restore-drill")).cloned();
        found.ok_or_else(|| mails.iter().map(subject).collect::<Vec<_>>())
    });
    assert_eq!(mail.header("To").as_deref(), Some("ops@example.org"));
    assert!(mail.header("Subject").unwrap().contains("Not well at Picket"), "{:?}", mail.header("Subject"));
    world.collector.stops();
    let until = switch.requests();
    thread::sleep(Duration::from_secs(12));
    assert_eq!(switch.requests(), until, "who is not there asks for nothing");
}
