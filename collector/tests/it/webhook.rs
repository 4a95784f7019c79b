//! Webhooks to a real receiver, through the guard and through a proxy.

use std::sync::{Arc, Mutex};

use picket_collector::channels;
use picket_collector::config::{Config, Mail, Outbound};
use picket_collector::flow::deliver;
use picket_collector::notify::channels::{Form, Kind};
use picket_collector::notify::message::{self, Facts, Message, Occasion};
use picket_collector::notify::{Client, SendError, Settings};
use picket_shared::egress::{Blocked, EgressGuard};
use picket_shared::ids::DeliveryId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::receiver::Receiver;
use crate::telling::{SECRET, START, Told, seconds, webhook};

fn test_message() -> Message {
    message::write(&Facts {
        back: message::Back::default(),
        delivery: DeliveryId::at(START),
        now: START,
        public_url: None,
        minimal: false,
        occasion: Occasion::Test { channel: "hook".to_owned() },
    })
}

fn client(outbound: Outbound, allow: &[&str]) -> Client {
    let guard = EgressGuard::new(allow.iter().map(|net| net.parse().unwrap()).collect());
    Client::new(Mail::default(), outbound, guard).unwrap()
}

async fn send(url: &str, client: &Client) -> Result<String, SendError> {
    webhook(url).send(&test_message(), client).await.map(|answer| answer.0)
}

async fn send_here(receiver: &Receiver) -> Result<String, SendError> {
    send(&receiver.url("/services/x?token=y"), &client(Outbound::default(), &["127.0.0.0/8"])).await
}

#[tokio::test]
async fn a_message_arrives_signed_whole_and_under_its_id() {
    let receiver = Receiver::start().await;
    receiver.answers(200, &[], "ok");
    assert_eq!(send_here(&receiver).await, Ok("200 OK ok".to_owned()));
    let [call] = &receiver.calls()[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/services/x?token=y"));
    assert_eq!(call.header("host"), receiver.address.to_string());
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("webhook-timestamp"), START.seconds().to_string());
    assert!(call.header("webhook-id").starts_with("msg_") && call.header("user-agent").starts_with("Picket/"));
    assert!(call.is_signed_with(SECRET));
    let event: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!((&event["type"], &event["data"]["channel"]), (&"test".into(), &"hook".into()));
}

#[tokio::test]
async fn the_status_says_whether_trying_again_helps() {
    let receiver = Receiver::start().await;
    for (status, again) in
        [(400, false), (404, false), (410, false), (408, true), (429, true), (500, true), (503, true)]
    {
        receiver.answers(status, &[], "no");
        let error = send_here(&receiver).await.unwrap_err();
        assert_eq!(matches!(error, SendError::Retry { after: None, .. }), again, "{status}: {error}");
    }
    receiver.answers(429, &[("retry-after", "17")], "");
    let error = send_here(&receiver).await.unwrap_err();
    assert!(matches!(error, SendError::Retry { after, .. } if after == Some(seconds(17))));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    for status in [301, 302, 303, 307, 308] {
        receiver.answers(status, &[("location", &other.url("/"))], "");
        assert!(matches!(send_here(&receiver).await, Err(SendError::Permanent(_))), "{status}");
    }
    assert_eq!((receiver.calls().len(), other.calls().len()), (5, 0));
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_after_30_s_and_tried_again() {
    let receiver = Receiver::start().await;
    receiver.hangs();
    let before = tokio::time::Instant::now();
    let (result, ()) = tokio::join!(send_here(&receiver), async {
        receiver.arrived().await;
        // From here on nothing happens but the passing of time.
        tokio::time::pause();
    });
    assert!(matches!(result, Err(SendError::Retry { after: None, .. })), "{result:?}");
    assert!(before.elapsed() >= seconds(29));
}

#[tokio::test]
async fn of_a_huge_answer_only_the_status_counts() {
    let receiver = Receiver::start().await;
    receiver.answers(200, &[], vec![b'x'; 1 << 20]);
    assert_eq!(send_here(&receiver).await, Ok("200 OK".to_owned()));
    receiver.answers(200, &[], vec![b'x'; 4000]);
    assert_eq!(send_here(&receiver).await.unwrap().len(), "200 OK ".len() + 200);
}

#[tokio::test]
async fn nobody_listening_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let result = send(&url, &client(Outbound::default(), &["127.0.0.0/8"])).await;
    assert!(matches!(result, Err(SendError::Retry { .. })), "{result:?}");
}

#[tokio::test]
async fn addresses_inside_are_reached_only_where_the_operator_allows_them() {
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    for allow in [&[][..], &["0.0.0.0/0"], &["127.0.0.2/32"]] {
        for host in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"] {
            let result = send(&format!("http://{host}:{port}/"), &client(Outbound::default(), allow)).await;
            assert_eq!(result, Err(SendError::Permanent(Blocked::MESSAGE.to_owned())), "{host} {allow:?}");
        }
    }
    assert!(receiver.calls().is_empty());
    let allowed = client(Outbound::default(), &["127.0.0.0/8"]);
    for host in ["127.0.0.1", "localhost", "0x7f.1"] {
        assert_eq!(send(&format!("http://{host}:{port}/"), &allowed).await, Ok("204 No Content".to_owned()), "{host}");
    }
}

/// A proxy that leads every tunnel to one address, and keeps what it was asked.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "the proxy of the test opens a connection to the test's receiver")]
    async fn start(answer: &'static str, receiver: &Receiver) -> Self {
        let (asked, address) = (Arc::<Mutex<Vec<String>>>::default(), receiver.address);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, heads) = (listener.local_addr().unwrap().port(), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(inside.read_u8().await.unwrap());
                }
                heads.lock().unwrap().push(String::from_utf8(head).unwrap());
                inside.write_all(answer.as_bytes()).await.unwrap();
                let mut outside = TcpStream::connect(address).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut inside, &mut outside).await });
            }
        });
        Self { port, asked }
    }

    fn outbound(&self, more: &str) -> Outbound {
        let text = format!("[outbound]\nproxy = \"http://user:canary@127.0.0.1:{}\"\n{more}", self.port);
        toml::from_str::<Config>(&text).unwrap().checked("/".as_ref()).unwrap().outbound
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_address_that_was_judged_and_for_no_other() {
    let receiver = Receiver::start().await;
    let proxy = Proxy::start("HTTP/1.1 200 Connection established\r\n\r\n", &receiver).await;
    let outbound = proxy.outbound("");
    assert!(!format!("{outbound:?}").contains("canary"), "{outbound:?}");
    let through = client(outbound, &["192.0.2.0/24"]);
    assert_eq!(send("http://192.0.2.7:9000/x", &through).await, Ok("204 No Content".to_owned()));
    for denied in ["http://10.0.0.1/", "http://169.254.169.254/", "http://[::ffff:10.0.0.1]/", "http://127.0.0.1/"] {
        let result = send(denied, &through).await;
        assert_eq!(result, Err(SendError::Permanent(Blocked::MESSAGE.to_owned())), "{denied}");
    }
    let asked = proxy.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("CONNECT 192.0.2.7:9000 HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains("Proxy-Authorization: Basic dXNlcjpjYW5hcnk=\r\n"), "{asked:?}");
    assert!(receiver.calls()[0].is_signed_with(SECRET) && receiver.calls()[0].header("host") == "192.0.2.7:9000");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_tried_again_and_never_gone_around() {
    let receiver = Receiver::start().await;
    let proxy = Proxy::start("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", &receiver).await;
    let result = send("http://192.0.2.7:9000/", &client(proxy.outbound(""), &["192.0.2.0/24"])).await;
    assert!(matches!(&result, Err(SendError::Retry { reason, .. }) if reason.contains("407")), "{result:?}");
    assert!(receiver.calls().is_empty());
}

#[tokio::test]
async fn loopback_and_what_no_proxy_names_go_around_the_proxy() {
    let receiver = Receiver::start().await;
    let proxy = Proxy::start("HTTP/1.1 200 OK\r\n\r\n", &receiver).await;
    let direct = client(proxy.outbound(""), &["127.0.0.0/8"]);
    assert_eq!(send(&receiver.url("/"), &direct).await, Ok("204 No Content".to_owned()));
    assert!(proxy.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_template_makes_the_body_and_nothing_in_a_value_ends_its_string() {
    let receiver = Receiver::start().await;
    let template = r#"{ "blocks": [{"title": "{{headline}}!", "n": 7, "by": "{{monitor.owner}}"}], "text": "{{text}}", "target": "{{ monitor.target }}",
        "incident": "{{incident.severity}} {{incident.resolved_at}}", "nothing": null, "braces": "}} {" }"#;
    let form = Form::default().with("url", receiver.url("/x")).with("secret", SECRET).with("template", template);
    let hook = Settings::parse(Kind::Webhook, &form).unwrap();
    let mut facts = crate::providers::briefed();
    if let Occasion::Notice { monitor, .. } = &mut facts.occasion {
        monitor.name = "a\", \"admin\": \"{{code}}\n".to_owned();
    }
    let client = client(Outbound::default(), &["127.0.0.0/8"]);
    hook.send(&message::write(&facts), &client).await.unwrap();
    let [call] = &receiver.calls()[..] else { unreachable!("one request was made") };
    assert!(call.is_signed_with(SECRET), "what is sent is what is signed");
    let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["blocks", "braces", "incident", "nothing", "target", "text"]);
    // A placeholder in a value is a value.
    assert_eq!(body["blocks"][0]["title"], "Down: a\", \"admin\": \"{{code}} !");
    assert_eq!((&body["blocks"][0]["n"], &body["blocks"][0]["by"]), (&7.into(), &"Team <Shop> & Co".into()));
    assert_eq!((&body["incident"], &body["braces"]), (&"error ".into(), &"}} {".into()));
    assert!(body["text"].as_str().unwrap().contains("Severity: error"), "{body}");
    assert_eq!(body["target"], "https://shop.example/cart?token=canary&id=1");
}

#[tokio::test]
async fn the_code_comes_by_a_template_too() {
    let receiver = Receiver::start().await;
    let form = Form::default().with("url", receiver.url("/x")).with("template", r#"{"content": "{{text}}"}"#);
    let hook = Settings::parse(Kind::Webhook, &form).unwrap();
    let code = message::write(&crate::providers::code());
    hook.send(&code, &client(Outbound::default(), &["127.0.0.0/8"])).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&receiver.calls()[0].body).unwrap();
    assert!(body["content"].as_str().unwrap().contains("482913"), "{body}");
}

#[tokio::test]
async fn while_a_secret_is_rotated_requests_carry_both_signatures_and_none_is_missed() {
    let (told, receiver) = (Told::new().await, Receiver::start().await);
    told.channel("hook", &webhook(&receiver.url("/x"))).await;
    let ctx = told.ctx(Mail::default(), Outbound::default(), EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]));
    let rotate = async |former_for: u64, now| {
        let row = told.row("hook").await;
        let mut scoped = told.scoped().await;
        let secret = channels::rotate(&mut scoped, &told.sealer(), &row, seconds(former_for), now).await;
        scoped.commit().await.unwrap();
        secret.map(|secret| secret.expose().clone())
    };
    // By which of the secrets each message is signed.
    let signed = async |now, secrets: &[&str]| {
        let before = receiver.calls().len();
        let row = told.row("hook").await;
        let mut scoped = told.scoped().await;
        channels::test(&mut scoped, &row, now).await.unwrap();
        scoped.commit().await.unwrap();
        deliver::run(&ctx, now).await.unwrap();
        let calls = receiver.calls();
        let [call] = &calls[before..] else { unreachable!("one request was made") };
        assert_eq!(
            call.header("webhook-signature").split(' ').count(),
            secrets.iter().filter(|one| call.is_signed_with(one)).count()
        );
        secrets.iter().map(|secret| call.is_signed_with(secret)).collect::<Vec<_>>()
    };
    assert_eq!(signed(START, &[SECRET]).await, [true]);
    let second = rotate(3600, START).await.unwrap();
    assert!(told.row("hook").await.verified_at.is_some(), "it stays verified");
    assert_eq!(signed(START + seconds(3599), &[SECRET, &second]).await, [true, true]);
    assert_eq!(signed(START + seconds(3600), &[SECRET, &second]).await, [false, true]);
    let third = rotate(60, START + seconds(7200)).await.unwrap();
    assert_eq!(signed(START + seconds(7201), &[SECRET, &second, &third]).await, [false, true, true]);
    let fourth = rotate(0, START + seconds(7202)).await.unwrap();
    assert_eq!(signed(START + seconds(7203), &[SECRET, &second, &third, &fourth]).await, [false, false, false, true]);
    let refused = rotate(30 * 86_400 + 1, START).await.unwrap_err();
    assert_eq!(refused.to_string(), "the former secret may sign for 30 days at most: give a shorter time");
    // Other settings bring their own secret.
    let (row, mut scoped) = (told.row("hook").await, told.scoped().await);
    let form = Form::default().with("url", receiver.url("/x")).with("secret", SECRET);
    channels::edit(&mut scoped, &told.sealer(), &row, &form, START).await.unwrap();
    channels::trust(&mut scoped, &row, START).await.unwrap();
    scoped.commit().await.unwrap();
    assert_eq!(signed(START + seconds(7300), &[SECRET, &fourth]).await, [true, false]);
}
