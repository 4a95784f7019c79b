//! No secret of a channel comes to light: in attempts, logs, errors, audit lines or debug output, whatever providers answer.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use picket_collector::channels;
use picket_collector::config::Mail;
use picket_collector::domain::outage::NoticeKind;
use picket_collector::flow::{deliver, dispatch};
use picket_collector::notify::Settings;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::egress::EgressGuard;

use crate::log::Log;
use crate::providers::outbound;
use crate::receiver::Receiver;
use crate::telling::{START, Told, seconds};

/// A form of each kind, those with a server of a tenant's to `server`, with a secret that nobody else has, and every text that would give it away.
fn forms(server: &str) -> Vec<(Kind, Form, Vec<String>)> {
    let canary = |length: usize| -> String {
        let random = format!("{:016x}{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..), fastrand::u64(..));
        random.chars().take(length).collect()
    };
    let (bot, key, hook, token) = (canary(35), canary(32), canary(24), canary(32));
    let account = "AC0123456789abcdef0123456789abcdef";
    let basic = BASE64_STANDARD.encode(format!("{account}:{token}"));
    let twilio = Form::default()
        .with("account", account)
        .with("secret", &token)
        .with("from", "Picket")
        .with("to", "+4915735983764");
    let slack = format!("https://hooks.slack.com/services/T1/B1/{hook}");
    let hook2 = canary(40);
    let discord = format!("https://discord.com/api/webhooks/42/{hook2}");
    let mattermost = canary(26);
    let teams = canary(43);
    let (topic, pass) = (canary(24), canary(30));
    let app = format!("A{}", canary(14));
    let (app_key, user_key) = (canary(30), canary(30));
    let access = canary(40);
    let genie = uuid::Uuid::from_u128(fastrand::u128(..)).to_string();
    let (pass_word, am) = (canary(30), "picket");
    vec![
        (Kind::Telegram, Form::default().with("token", format!("123456:{bot}")).with("chat", "42"), vec![bot]),
        (Kind::Twilio, twilio, vec![token, basic, "4915735983764".to_owned()]),
        (Kind::Slack, Form::default().with("url", slack), vec![hook]),
        (Kind::Pagerduty, Form::default().with("key", &key), vec![key]),
        (Kind::Discord, Form::default().with("url", discord), vec![hook2]),
        (Kind::Mattermost, Form::default().with("url", format!("{server}/hooks/{mattermost}")), vec![mattermost]),
        (
            Kind::Teams,
            Form::default().with("url", format!("https://a.logic.azure.com/workflows/{}/invoke?sig={teams}", 42)),
            vec![teams],
        ),
        (
            Kind::Ntfy,
            Form::default().with("topic", &topic).with("token", format!("tk_{pass}")).with("server", server),
            vec![topic, pass],
        ),
        (Kind::Gotify, Form::default().with("server", server).with("token", &app), vec![app]),
        (Kind::Pushover, Form::default().with("token", &app_key).with("user", &user_key), vec![app_key, user_key]),
        (
            Kind::Matrix,
            Form::default().with("server", server).with("room", "!a:example.org").with("token", &access),
            vec![access],
        ),
        (Kind::Opsgenie, Form::default().with("key", &genie), vec![genie]),
        (
            Kind::Alertmanager,
            Form::default().with("server", server).with("user", am).with("secret", &pass_word),
            vec![BASE64_STANDARD.encode(format!("{am}:{pass_word}")), pass_word],
        ),
    ]
}

#[tokio::test]
async fn no_secret_of_a_provider_reaches_attempts_logs_audit_or_debug() {
    let provider = Receiver::start().await;
    for (kind, form, secrets) in forms(&provider.url("")) {
        let seen = everything_seen_of(&provider, kind, &form, &secrets).await;
        for word in ["Sent delivery", "***", "channel.add", "tried again", "Gave up"] {
            assert!(seen.contains(word), "{kind:?}: {word} is not in what was looked at");
        }
        for secret in secrets {
            let found = seen.find(&secret).map(|at| &seen[at.saturating_sub(200)..at]);
            assert_eq!(found, None, "{kind:?}: a secret comes after this");
        }
    }
}

/// Sends to a provider that repeats all it was told, as text and as JSON, with every sort of answer, and to nobody.
async fn everything_seen_of(provider: &Receiver, kind: Kind, form: &Form, secrets: &[String]) -> String {
    let (log, _guard) = Log::listen();
    let told = Told::new().await;
    let mut scoped = told.scoped().await;
    let made = channels::add(&mut scoped, &told.sealer(), (kind, form), (None, false), START).await.unwrap();
    assert!(channels::trust(&mut scoped, &made.row, START).await.unwrap());
    scoped.commit().await.unwrap();
    let mut seen = format!("{made:?} {form:?} {:?}", Settings::parse(kind, form));
    let words = secrets.join(" ");
    let as_json = serde_json::json!({
        "ok": true, "description": words, "message": words, "errors": [words], "sid": words, "request": words, "id": "7",
        "status": if kind == Kind::Pushover { 1.into() } else { serde_json::Value::from(words.as_str()) },
    });
    let ctx =
        told.ctx(Mail::default(), outbound(&provider.url("")), EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]));
    let nobody = told.ctx(Mail::default(), outbound("http://127.0.0.1:1"), EgressGuard::default());
    let mut now = START;
    let json = as_json.to_string();
    let good = [(&ctx, 202, &words), (&ctx, 202, &json)];
    let bad = [400, 401, 404, 429].map(|status| (&ctx, status, if status == 404 { &words } else { &json }));
    for (ctx, status, body) in good.into_iter().chain(bad).chain([(&nobody, 500, &words), (&ctx, 500, &words)]) {
        provider.answers(status, &[], body.clone());
        told.notice(NoticeKind::NeverCameUp, now).await;
        dispatch::run(&told.database.pools, now).await.unwrap();
        // Other tests of this process may have found that nobody listens, and that answer is remembered.
        tracing::callsite::rebuild_interest_cache();
        deliver::run(ctx, now).await.unwrap();
        now = now + seconds(3600);
    }
    for (result, answer) in told.attempts().await {
        seen += &format!("{result} {answer}\n");
    }
    seen += &told.text("SELECT string_agg(a::text, ' ') FROM audit a").await;
    seen += &told.text("SELECT string_agg(c.hint || c.name || d::text, ' ') FROM channels c, deliveries d").await;
    // They are in the table, sealed: nothing would be seen if they had never been stored.
    assert_eq!(told.number("SELECT count(*) FROM channels WHERE length(sealed_settings) > 60").await, 1);
    seen + &log.text()
}
