//! What proves that a channel is wanted: codes, acceptance, the operator's word; and that nothing is told before.

use picket_collector::channels::{self, Begun, ChannelError, Verdict};
use picket_collector::config::Mail;
use picket_collector::domain::outage::NoticeKind;
use picket_collector::flow::deliver::{self, Ctx, Report};
use picket_collector::flow::dispatch;
use picket_collector::notify::Settings;
use picket_collector::notify::channels::pagerduty::Pagerduty;
use picket_collector::notify::channels::{Form, Kind, Proof};
use picket_collector::store::channel_proofs;
use picket_collector::store::{OrgKey, deliveries};
use picket_shared::egress::EgressGuard;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

use crate::log::Log;
use crate::providers::outbound;
use crate::receiver::Receiver;
use crate::telling::{START, Told, seconds, webhook};

const MINUTE: std::time::Duration = seconds(60);

/// An organization with one channel, `hook`, that nobody has verified.
struct Proving {
    told: Told,
    hook: Receiver,
    ctx: Ctx,
}

impl Proving {
    async fn new() -> Self {
        let (told, hook) = (Told::new().await, Receiver::start().await);
        told.unverified("hook", &webhook(&hook.url("/"))).await;
        let guard = EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let ctx = told.ctx(Mail::default(), outbound(&hook.url("")), guard);
        Self { told, hook, ctx }
    }

    /// Begins a proof, without sending it.
    async fn ask(&self, name: &str, at: Timestamp) -> Result<Begun, ChannelError> {
        let row = self.told.row(name).await;
        let mut scoped = self.told.scoped().await;
        let begun = channels::prove(&mut scoped, &self.told.sealer(), &row, at).await;
        scoped.commit().await.unwrap();
        begun
    }

    async fn deliver(&self, at: Timestamp) -> Report {
        deliver::run(&self.ctx, at).await.unwrap()
    }

    /// Begins a proof and gives the code that came to the receiver.
    async fn code(&self, at: Timestamp) -> String {
        self.ask("hook", at).await.unwrap();
        assert_eq!(self.deliver(at).await.sent, 1);
        let call = self.hook.calls().pop().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(event["type"], "channel.code");
        event["data"]["code"].as_str().unwrap().to_owned()
    }

    async fn enter(&self, name: &str, code: &str, at: Timestamp) -> Verdict {
        let row = self.told.row(name).await;
        channels::verify(self.told.scoped().await, &self.told.sealer(), &row, code, at).await.unwrap()
    }

    /// Writes a notice and dispatches it; gives how many deliveries that made.
    async fn tell(&self, at: Timestamp) -> u64 {
        self.told.notice(NoticeKind::NeverCameUp, at).await;
        dispatch::run(&self.told.database.pools, at).await.unwrap().deliveries
    }

    async fn is_verified(&self, name: &str) -> Option<String> {
        self.told.row(name).await.verified_by
    }
}

/// A code that is another.
fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn nothing_is_told_before_the_code_came_back_and_nothing_old_after() {
    let world = Proving::new().await;
    assert_eq!(world.tell(START).await, 0);
    let code = world.code(START + MINUTE).await;
    assert_eq!(world.tell(START + MINUTE).await, 0);
    assert_eq!(world.enter("hook", &wrong(&code), START + MINUTE).await, Verdict::Wrong { left: 4 });
    assert_eq!(world.is_verified("hook").await, None);
    // Written before, dispatched after: still not told.
    world.told.notice(NoticeKind::NeverCameUp, START + MINUTE).await;
    // As people copy it.
    let spaced = format!(" {} {}", &code[..3], &code[3..]);
    assert_eq!(world.enter("hook", &spaced, START + MINUTE * 2).await, Verdict::Verified);
    assert_eq!(world.is_verified("hook").await.as_deref(), Some("code"));
    assert_eq!(dispatch::run(&world.told.database.pools, START + MINUTE * 3).await.unwrap().deliveries, 0);
    assert_eq!(world.deliver(START + MINUTE * 3).await, Report::default());
    assert_eq!(world.tell(START + MINUTE * 4).await, 1);
    assert_eq!(world.deliver(START + MINUTE * 4).await, Report { sent: 1, ..Report::default() });
    assert_eq!(world.hook.calls().len(), 2, "the code and the last notice");
}

#[tokio::test]
async fn a_code_works_once() {
    let world = Proving::new().await;
    let code = world.code(START).await;
    assert_eq!(world.enter("hook", &code, START).await, Verdict::Verified);
    assert_eq!(world.enter("hook", &code, START).await, Verdict::Already);
    assert_eq!(world.told.number("SELECT count(*) FROM channel_proofs").await, 0);
    // Other settings: neither does the old code verify them.
    let row = world.told.row("hook").await;
    let form = Form::default().with("url", world.hook.url("/other"));
    let mut scoped = world.told.scoped().await;
    channels::edit(&mut scoped, &world.told.sealer(), &row, &form, START).await.unwrap();
    scoped.commit().await.unwrap();
    assert_eq!(world.enter("hook", &code, START).await, Verdict::NoneWorks);
    assert_eq!(world.is_verified("hook").await, None);
}

#[tokio::test]
async fn five_wrong_tries_end_a_code_and_so_do_fifteen_minutes() {
    let world = Proving::new().await;
    let code = world.code(START).await;
    for left in (0..5).rev() {
        assert_eq!(world.enter("hook", &wrong(&code), START).await, Verdict::Wrong { left });
    }
    assert_eq!(world.enter("hook", &code, START).await, Verdict::NoneWorks);
    let code = world.code(START + MINUTE).await;
    let last = START + MINUTE + channel_proofs::LIFE;
    assert_eq!(world.enter("hook", &code, last).await, Verdict::NoneWorks);
    assert_eq!(world.enter("hook", &code, last - seconds(1)).await, Verdict::Verified);
}

#[tokio::test]
async fn guesses_at_the_same_moment_are_all_counted() {
    let world = Proving::new().await;
    let code = world.code(START).await;
    let row = world.told.row("hook").await;
    let (sealer, wrong) = (world.told.sealer(), wrong(&code));
    let guesses = (0..12).map(|_| async {
        let scoped = world.told.scoped().await;
        channels::verify(scoped, &sealer, &row, &wrong, START).await.unwrap()
    });
    let mut verdicts = Vec::new();
    let mut tasks: Vec<_> = guesses.map(Box::pin).collect();
    // Three at a time, as many as the pool has connections.
    while !tasks.is_empty() {
        let (a, b, c) = (tasks.pop().unwrap(), tasks.pop().unwrap(), tasks.pop().unwrap());
        let (a, b, c) = tokio::join!(a, b, c);
        verdicts.extend([a, b, c]);
    }
    let counted = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Wrong { .. })).count();
    assert_eq!((counted, verdicts.len()), (5, 12), "{verdicts:?}");
}

#[tokio::test]
async fn a_newer_code_ends_the_older_one_and_its_message() {
    let world = Proving::new().await;
    let older = world.code(START).await;
    let newer = world.code(START + seconds(1)).await;
    if older != newer {
        assert!(matches!(world.enter("hook", &older, START + seconds(2)).await, Verdict::Wrong { .. }));
    }
    world.ask("hook", START + seconds(3)).await.unwrap();
    world.ask("hook", START + seconds(4)).await.unwrap();
    // Of the two that wait, only the last is sent.
    assert_eq!(world.deliver(START + seconds(5)).await, Report { sent: 1, superseded: 1, ..Report::default() });
    assert_eq!(world.hook.calls().len(), 3);
}

#[tokio::test]
async fn codes_are_sent_a_few_times_an_hour_and_a_day() {
    let world = Proving::new().await;
    let ask = async |at| world.ask("hook", at).await;
    for minute in 0..5 {
        ask(START + MINUTE * minute).await.unwrap();
    }
    let refused = ask(START + MINUTE * 30).await;
    let Err(ChannelError::Wait(until)) = refused else { unreachable!("{refused:?}") };
    assert_eq!(until, START + MINUTE * 60);
    assert!(ask(until - seconds(1)).await.is_err());
    ask(until).await.unwrap();
    let mut at = START + MINUTE * 120;
    let mut more = 0;
    while at < START + MINUTE * 60 * 23 {
        match ask(at).await {
            Ok(_) => more += 1,
            Err(error) => assert!(matches!(error, ChannelError::Wait(_)), "{error}"),
        }
        at = at + MINUTE * 20;
    }
    assert_eq!(more, 15 - 6);
    // Nor does another channel help for long.
    let mut sent = 0;
    for number in 0..30 {
        let name = format!("hook {number}");
        world.told.unverified(&name, &webhook(&world.hook.url("/"))).await;
        sent += usize::from(world.ask(&name, at).await.is_ok());
    }
    assert_eq!(sent, 20);
}

#[tokio::test]
async fn the_code_lies_nowhere_in_the_open() {
    let (log, _guard) = Log::listen();
    let world = Proving::new().await;
    let everything = "SELECT concat((SELECT string_agg(d::text, ' ') FROM deliveries d), (SELECT string_agg(p::text, ' ') \
         FROM channel_proofs p), (SELECT string_agg(a::text, ' ') FROM delivery_attempts a), (SELECT string_agg(u::text, ' ') \
         FROM audit u))";
    world.ask("hook", START).await.unwrap();
    let before = world.told.text(everything).await;
    assert_eq!(world.told.number("SELECT count(*) FROM channel_proofs WHERE length(sealed_code) > 6").await, 1);
    // A server that would hand the code to whoever reads its answer.
    world.hook.answers(500, &[], "you said: ");
    world.deliver(START).await;
    let call = world.hook.calls().pop().unwrap();
    world.hook.answers(200, &[], call.body.clone());
    world.deliver(START + MINUTE).await;
    let event: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    let code = event["data"]["code"].as_str().unwrap().to_owned();
    let seen = before + &world.told.text(everything).await + &log.text();
    assert!(seen.contains("200 OK") && seen.contains("Sent delivery"), "{seen}");
    // Six digits stand in many a number; as a word of its own or quoted they are the code.
    let found = seen.match_indices(&code).find(|(at, _)| {
        let around = [seen[..*at].chars().last(), seen[at + code.len()..].chars().next()];
        around.iter().all(|c| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '.'))
    });
    assert_eq!(found, None, "{code} in {seen}");
    assert_eq!(world.told.number("SELECT count(*) FROM channel_proofs WHERE sealed_code IS NOT NULL").await, 0);
    assert_eq!(world.enter("hook", &code, START + MINUTE).await, Verdict::Verified);
}

#[tokio::test]
async fn a_code_that_could_not_be_sent_in_time_is_not_sent_late() {
    let world = Proving::new().await;
    world.ask("hook", START).await.unwrap();
    let late = START + channel_proofs::LIFE;
    assert_eq!(world.deliver(late).await, Report { failed: 1, ..Report::default() });
    assert!(world.hook.calls().is_empty());
    assert!(world.told.attempts().await[0].1.contains("ask for another"));
}

#[tokio::test]
async fn a_code_of_one_channel_verifies_no_other_and_no_tenant_sees_anothers() {
    let world = Proving::new().await;
    world.told.unverified("other", &webhook(&world.hook.url("/"))).await;
    let code = world.code(START).await;
    assert_eq!(world.enter("other", &code, START).await, Verdict::NoneWorks);
    let row = world.told.row("hook").await;
    let stranger = world.told.database.pools.scoped(OrgKey(world.told.org.0 + 1)).await.unwrap();
    let verdict = channels::verify(stranger, &world.told.sealer(), &row, &code, START).await.unwrap();
    assert_eq!(verdict, Verdict::NoneWorks);
    assert_eq!(world.is_verified("hook").await, None);
}

#[tokio::test]
async fn an_event_that_pagerduty_accepts_verifies_and_is_resolved() {
    let world = Proving::new().await;
    let key = SecretString::new("0123456789abcdef0123456789abcdef".to_owned());
    let pager = Settings::Pagerduty(Pagerduty { key, region: "eu".to_owned(), webhook_secret: None });
    world.told.unverified("pager", &pager).await;
    world.hook.answers(400, &[], r#"{"status":"invalid event","message":"Event object is invalid"}"#);
    assert_eq!(world.ask("pager", START).await.unwrap().proof, Proof::Acceptance);
    assert_eq!(world.deliver(START).await, Report { failed: 1, ..Report::default() });
    assert_eq!(world.is_verified("pager").await, None);
    // There is no code to be guessed.
    assert_eq!(world.enter("pager", "000000", START).await, Verdict::NoneWorks);

    world.hook.answers(202, &[], r#"{"status":"success","message":"Event processed"}"#);
    world.ask("pager", START + MINUTE).await.unwrap();
    assert_eq!(world.deliver(START + MINUTE).await, Report { sent: 1, ..Report::default() });
    assert_eq!(world.is_verified("pager").await.as_deref(), Some("acceptance"));
    let acts: Vec<_> = world.hook.calls().iter().map(|call| String::from_utf8_lossy(&call.body).into_owned()).collect();
    assert!(acts.len() == 3 && acts[1].contains("\"trigger\"") && acts[2].contains("\"resolve\""), "{acts:?}");
    let audit = world.told.text("SELECT string_agg(action || detail, ' ') FROM audit").await;
    assert!(audit.contains("channel.verify") && audit.contains("acceptance"), "{audit}");
}

#[tokio::test]
async fn an_acceptance_proves_nothing_of_settings_that_were_replaced_meanwhile() {
    let world = Proving::new().await;
    let key = |last: char| SecretString::new(format!("0123456789abcdef0123456789abcde{last}"));
    let pager = Settings::Pagerduty(Pagerduty { key: key('f'), region: "us".to_owned(), webhook_secret: None });
    world.told.unverified("pager", &pager).await;
    world.hook.answers(202, &[], "{}");
    world.hook.hangs();
    world.ask("pager", START).await.unwrap();
    let ctx = world.ctx.clone();
    let running = tokio::spawn(async move { deliver::run(&ctx, START).await });
    world.hook.arrived().await;
    let row = world.told.row("pager").await;
    let mut scoped = world.told.scoped().await;
    let form = Form::default().with("key", key('0').expose());
    channels::edit(&mut scoped, &world.told.sealer(), &row, &form, START).await.unwrap();
    scoped.commit().await.unwrap();
    world.hook.lets_go();
    assert_eq!(running.await.unwrap().unwrap().sent, 1);
    assert_eq!(world.is_verified("pager").await, None);
}

#[tokio::test]
async fn other_settings_are_told_nothing_of_what_waited_for_the_old_ones() {
    let world = Proving::new().await;
    let code = world.code(START).await;
    assert_eq!(world.enter("hook", &code, START).await, Verdict::Verified);
    assert_eq!(world.tell(START).await, 1);
    let (row, other) = (world.told.row("hook").await, Receiver::start().await);
    let mut scoped = world.told.scoped().await;
    let form = Form::default().with("url", other.url("/new"));
    let made = channels::edit(&mut scoped, &world.told.sealer(), &row, &form, START).await.unwrap();
    scoped.commit().await.unwrap();
    assert!(made.secret.is_some() && made.row.verified_at.is_none() && made.row.name == "hook");
    assert_eq!(world.deliver(START).await, Report { superseded: 1, ..Report::default() });
    assert!(other.calls().is_empty());
    assert_eq!(world.tell(START + MINUTE).await, 0);
}

#[tokio::test]
async fn only_what_is_verified_is_sent_a_test_and_its_answer_is_shown() {
    let world = Proving::new().await;
    let row = world.told.row("hook").await;
    let mut scoped = world.told.scoped().await;
    let refused = channels::test(&mut scoped, &row, START).await.unwrap_err();
    assert!(matches!(refused, ChannelError::NotVerified(_)), "{refused}");
    drop(scoped);
    let code = world.code(START).await;
    assert_eq!(world.enter("hook", &code, START).await, Verdict::Verified);
    world.hook.answers(418, &[], "short and stout");
    let row = world.told.row("hook").await;
    let mut scoped = world.told.scoped().await;
    let id = channels::test(&mut scoped, &row, START).await.unwrap();
    scoped.commit().await.unwrap();
    let pools = &world.told.database.pools;
    assert_eq!(channels::answer(pools, world.told.org, id, seconds(0)).await.unwrap(), None);
    assert_eq!(world.deliver(START).await.failed, 1);
    let progress = channels::answer(pools, world.told.org, id, seconds(0)).await.unwrap().unwrap();
    assert_eq!(
        (progress.state.as_str(), progress.answer.as_deref()),
        ("failed", Some("418 I'm a teapot short and stout"))
    );
    let last = world.told.row("hook").await.last.unwrap();
    assert_eq!((last.state, last.answer), (progress.state, progress.answer));
    let stranger = &mut pools.scoped(OrgKey(world.told.org.0 + 1)).await.unwrap();
    assert_eq!(deliveries::progress(stranger, id).await.unwrap(), None);
}

#[tokio::test]
async fn the_operators_word_is_audited_and_names_are_one_each() {
    let world = Proving::new().await;
    let row = world.told.row("hook").await;
    let mut scoped = world.told.scoped().await.by("command:ana");
    assert!(channels::trust(&mut scoped, &row, START).await.unwrap());
    assert!(!channels::trust(&mut scoped, &row, START).await.unwrap());
    let form = Form::default().with("address", "oncall@example.org");
    let mail =
        channels::add(&mut scoped, &world.told.sealer(), (Kind::Email, &form), (None, false), START).await.unwrap();
    assert_eq!(mail.row.name, "oncall@example.org");
    channels::rename(&mut scoped, &mail.row, " on call ", START).await.unwrap();
    assert!(matches!(channels::rename(&mut scoped, &mail.row, "", START).await, Err(ChannelError::Name)));
    scoped.commit().await.unwrap();
    assert_eq!(world.told.row("on call").await.hint, "o***@example.org");
    let mut scoped = world.told.scoped().await;
    let taken = channels::rename(&mut scoped, &mail.row, "hook", START).await;
    assert!(matches!(&taken, Err(ChannelError::NameTaken(name)) if name == "hook"), "{taken:?}");
    let audit =
        world.told.text("SELECT string_agg(actor || ' ' || action || detail, '; ' ORDER BY id) FROM audit").await;
    for line in ["command:ana channel.verify{\"by\":\"operator\"", "command:ana channel.rename"] {
        assert!(audit.contains(line), "{line} in {audit}");
    }
}

#[tokio::test]
async fn whether_anybody_is_told_is_said_with_what_to_do() {
    use picket_collector::store::read::telling;
    let told = Told::new().await;
    let why = async || telling::of(&mut told.scoped().await).await.unwrap();
    assert_eq!(
        (why().await.is_told(), why().await.why().map(|why| why.contains("add and verify"))),
        (false, Some(true))
    );
    told.unverified("hook", &webhook("https://hook.example/")).await;
    assert_eq!(
        (why().await.is_told(), why().await.why().map(|why| why.contains("channel verify"))),
        (false, Some(true))
    );
    told.channel("other", &webhook("https://hook.example/")).await;
    assert_eq!((why().await.is_told(), why().await.why()), (true, None));
}
