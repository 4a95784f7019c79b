//! Twilio's Messages resource, field by field:
//! <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>; and calls:
//! <https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource>.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use picket_collector::notify::Settings;
use picket_collector::notify::channels::twilio::Twilio;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::json;

use crate::providers::{code, down, is_final, is_for_later, judged, send, written};
use crate::receiver::Call;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const KEY: &str = "SK0123456789abcdef0123456789abcdef";
const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";
const SECRET: &str = "canary6789abcdef0123456789abcdef";

fn sms(key: Option<&str>, from: &str) -> Settings {
    Settings::Twilio(Twilio {
        account: ACCOUNT.to_owned(),
        key: key.map(ToOwned::to_owned),
        secret: SecretString::new(SECRET.to_owned()),
        from: from.to_owned(),
        to: "+4915735983764".to_owned(),
        region: "us1".to_owned(),
        call: false,
    })
}

/// The same settings, by a call.
fn call() -> Settings {
    let Settings::Twilio(sms) = sms(None, "+4915735982000") else { unreachable!() };
    Settings::Twilio(Twilio { call: true, ..sms })
}

fn form(call: &Call) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&call.body).into_owned().collect()
}

fn body(call: &Call) -> String {
    form(call)["Body"].clone()
}

#[tokio::test]
async fn every_message_as_a_phone_gets_it() {
    insta::assert_snapshot!(written(&sms(None, "+4915735982000"), body).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let authorization = |user: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{SECRET}")));
    for (key, from, user, sender) in [
        (None, "+4915735982000", ACCOUNT, "From"),
        (Some(KEY), "MG Picket", KEY, "From"),
        (Some(KEY), SERVICE, KEY, "MessagingServiceSid"),
    ] {
        let (answer, calls) = send(&sms(key, from), &down()).await;
        assert_eq!(answer, Ok("202 Accepted queued SM1".to_owned()));
        let [call] = &calls[..] else { unreachable!("one request was made") };
        assert_eq!(call.method, "POST");
        assert_eq!(call.path, format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
        assert_eq!(call.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(call.header("authorization"), authorization(user));
        let form = form(call);
        let keys: Vec<_> = form.keys().map(String::as_str).collect();
        let mut expected = ["Body", "To", sender];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!((form["To"].as_str(), form[sender].as_str()), ("+4915735983764", from));
        assert!(form["Body"].starts_with("Down: shop <EU> & more\n"), "{form:?}");
        assert!(!form["Body"].contains("canary"), "{form:?}");
    }
}

#[tokio::test]
async fn a_text_takes_two_segments_at_most() {
    for (character, most) in [("a", 306), ("Я", 134)] {
        let mut message = down();
        message.brief.rows = vec![("Seen", character.repeat(2000))];
        let (_, calls) = send(&sms(None, "Picket"), &message).await;
        assert_eq!(body(&calls[0]).chars().count(), most);
    }
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let sms = sms(None, "Picket");
    let error = |status: u16, code: u32, message: &str| {
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        json!({ "code": code, "message": message, "more_info": more, "status": status }).to_string()
    };
    let created = r#"{"sid": "SM87105da94bff44b999e4e6eb90d8eb6a", "status": "queued", "error_code": null}"#;
    let taken = judged(&sms, 201, &[], created).await;
    assert_eq!(taken, Ok("201 Created queued SM87105da94bff44b999e4e6eb90d8eb6a".to_owned()));
    is_for_later(&judged(&sms, 429, &[], &error(429, 20_429, "Too Many Requests")).await, None, "code 20429");
    is_for_later(&judged(&sms, 503, &[("retry-after", "9")], "").await, Some(9), "503");
    for (status, code, message, advice) in [
        (400, 21_211, "Invalid 'To' Phone Number", "check the number in To"),
        (400, 21_610, "Attempt to send to unsubscribed recipient", "START"),
        (400, 21_606, "The From phone number is not valid", "twilio.com/docs/api/errors/21606"),
        (401, 20_003, "Authenticate", "enter SID and secret"),
        (404, 20_404, "The requested resource was not found", "20404"),
    ] {
        is_final(&judged(&sms, status, &[], &error(status, code, message)).await, &[message, advice]);
    }
    let echo = error(400, 21_211, &format!("The 'To' number +4915735983764 is wrong, said {SECRET}"));
    let echo = judged(&sms, 400, &[], &echo).await;
    is_final(&echo, &["The 'To' number *** is wrong, said ***"]);
    assert!(!format!("{sms:?} {}", sms.hint()).contains("5735983"), "{sms:?}");
}

#[test]
fn numbers_are_taken_as_people_write_them_and_what_is_none_is_told() {
    let form = |to: &str, from: &str| {
        Form::default().with("account", ACCOUNT).with("secret", SECRET).with("to", to).with("from", from)
    };
    let parse = |form: &Form| Settings::parse(Kind::Twilio, form);
    let Ok(Settings::Twilio(read)) = parse(&form("+49 (157) 3598-3764", "+49 157 35982000")) else {
        unreachable!("both are numbers")
    };
    assert_eq!(
        (read.to.as_str(), read.from.as_str(), read.region.as_str()),
        ("+4915735983764", "+4915735982000", "us1")
    );
    for (to, from, field) in [
        ("015735983764", "Picket", "to"),
        ("+0157", "Picket", "to"),
        ("+4915735983764", "A name too long", "from"),
        ("+4915735983764", "12", "from"),
    ] {
        assert_eq!(parse(&form(to, from)).unwrap_err()[0].field, field, "{to} {from}");
    }
    let wrong = parse(&form("+4915735983764", "Picket").with("region", "mars").with("key", "AC1")).unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["key", "region"]);
}

#[tokio::test]
async fn every_message_as_it_is_read_aloud() {
    insta::assert_snapshot!(written(&call(), |call| form(call)["Twiml"].clone()).await);
}

#[tokio::test]
async fn a_call_is_asked_for_as_the_documentation_says() {
    let (answer, calls) = send(&call(), &down()).await;
    assert_eq!(answer, Ok("202 Accepted queued SM1".to_owned()));
    let [made] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!(
        (made.method.as_str(), made.path.clone()),
        ("POST", format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json"))
    );
    let form = form(made);
    let keys: Vec<_> = form.keys().map(String::as_str).collect();
    assert_eq!(keys, ["From", "To", "Twiml"]);
    let said = "<Say>Down: shop &lt;EU&gt; &amp; more. Since: ";
    assert!(
        form["Twiml"].starts_with(&format!("<Response>{said}")) && form["Twiml"].ends_with("</Say></Response>"),
        "{form:?}"
    );
    assert!(!form["Twiml"].contains("canary") && !form["Twiml"].contains("http"), "{form:?}");
    let mut long = down();
    long.brief.rows.push(("Seen", "\"&\"".repeat(3000)));
    let (_, calls) = send(&call(), &long).await;
    assert!(self::form(&calls[0])["Twiml"].encode_utf16().count() <= 4000);
    let (_, calls) = send(&call(), &picket_collector::notify::message::write(&code())).await;
    assert!(self::form(&calls[0])["Twiml"].contains("4, 8, 2, 9, 1, 3"), "{:?}", self::form(&calls[0]));
}

#[test]
fn only_a_number_calls() {
    let wrong = |from: &str| {
        let form = Form::default().with("account", ACCOUNT).with("secret", SECRET).with("to", "+4915735983764");
        let form = form.with("from", from).with("by", "call");
        Settings::parse(Kind::Twilio, &form)
            .err()
            .map(|wrong| wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>())
    };
    assert_eq!(wrong("+4915735982000"), None);
    for sender in [SERVICE, "Picket", "4711", "<>"] {
        assert_eq!(wrong(sender), Some(vec!["from"]), "{sender}");
    }
}
