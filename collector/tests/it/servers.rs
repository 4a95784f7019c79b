//! Servers that a tenant names: none in a private network is reached unless the operator allows it.

use picket_collector::config::{Mail, Outbound};
use picket_collector::notify::channels::{Form, Kind};
use picket_collector::notify::{Client, SendError, Settings};
use picket_shared::egress::EgressGuard;

use crate::providers::down;
use crate::receiver::Receiver;

/// A form of each kind whose server a tenant names.
fn forms(server: &str) -> Vec<(Kind, Form)> {
    let form = Form::default();
    vec![
        (Kind::Mattermost, form.clone().with("url", format!("{server}/hooks/xxxxxxxxxxxxxxxxxxxxxxxxxx"))),
        (Kind::Ntfy, form.clone().with("topic", "picket").with("server", server)),
        (Kind::Gotify, form.clone().with("token", "AWVjqGMqQ.wl-Iy").with("server", server)),
        (Kind::Matrix, form.clone().with("server", server).with("room", "!a:b").with("token", "syt_0123456789")),
        (Kind::Alertmanager, form.clone().with("server", server)),
    ]
}

#[tokio::test]
async fn no_private_address_is_reached_that_the_operator_does_not_allow() {
    let receiver = Receiver::start().await;
    let client = |guard| Client::new(Mail::default(), Outbound::default(), guard).unwrap();
    for (kind, form) in forms(&receiver.url("")) {
        let settings = Settings::parse(kind, &form).unwrap();
        let sent = settings.send(&down(), &client(EgressGuard::default())).await;
        assert!(matches!(sent, Err(SendError::Permanent(_))), "{kind:?}: {sent:?}");
        assert!(receiver.calls().is_empty(), "{kind:?} got through");
    }
    for (kind, form) in forms(&receiver.url("")) {
        let before = receiver.calls().len();
        let guard = EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let sent = Settings::parse(kind, &form).unwrap().send(&down(), &client(guard)).await;
        assert!(receiver.calls().len() > before, "{kind:?}: {sent:?}");
    }
}

#[tokio::test]
async fn a_server_that_repeats_a_code_tells_it_to_nobody() {
    let receiver = Receiver::start().await;
    let message = picket_collector::notify::message::write(&crate::providers::code());
    let guard = EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let client = Client::new(Mail::default(), Outbound::default(), guard).unwrap();
    for (kind, form) in forms(&receiver.url("")) {
        for status in [200, 400] {
            receiver.answers(status, &[], r#"{"message":"Code: 4 8 2 9 1 3","error":"482913"}"#);
            let said = format!("{:?}", Settings::parse(kind, &form).unwrap().send(&message, &client).await);
            assert!(!said.contains('9') && said.contains(&status.to_string()), "{kind:?}: {said}");
        }
        let call = receiver.calls().pop().unwrap();
        assert!(String::from_utf8_lossy(&call.body).contains("482913"), "{kind:?} was not sent the code");
    }
}
