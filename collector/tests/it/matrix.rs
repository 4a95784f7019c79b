//! Matrix's sending of an event, field by field:
//! <https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::matrix::Matrix;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{down, is_final, is_for_later, json, judged_at, send_at, written_at};

const TOKEN: &str = "syt_cGlja2V0_canaryGhIjKlMnOpQrSt_0a1b2c";

fn matrix(url: &str) -> Settings {
    let token = SecretString::new(TOKEN.to_owned());
    Settings::Matrix(Matrix { server: url.to_owned(), room: "!OGEh/VWSdvArJzumhm:example.org".to_owned(), token })
}

#[tokio::test]
async fn every_message_as_matrix_gets_it() {
    insta::assert_snapshot!(written_at(matrix, json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let (answer, calls) = send_at(matrix, &down()).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    // The room's id is one part of the path, and the transaction's id is the delivery's at every try.
    let path = "/_matrix/client/v3/rooms/%21OGEh%2FVWSdvArJzumhm%3Aexample.org/send/m.room.message/\
                00000000-0000-0000-0000-000000000001";
    assert_eq!((call.method.as_str(), call.path.as_str()), ("PUT", path));
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("authorization"), format!("Bearer {TOKEN}"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["body", "format", "formatted_body", "m.mentions", "msgtype"]);
    assert_eq!((&body["msgtype"], &body["format"]), (&"m.text".into(), &"org.matrix.custom.html".into()));
    assert_eq!(body["m.mentions"], json!({}));
    let (text, html) = (body["body"].as_str().unwrap(), body["formatted_body"].as_str().unwrap());
    assert!(text.starts_with("Down: shop <EU> & more\nWhat: "), "{text}");
    assert!(html.starts_with("<strong>Down: shop &lt;EU&gt; &amp; more</strong><br>What: "), "{html}");
    assert!(!format!("{text}{html}").contains("canary") && !text.contains("Backend"), "{text}");
}

#[tokio::test]
async fn an_event_has_65536_bytes_at_most() {
    let mut message = down();
    message.brief.headline = "&".repeat(9000);
    message.brief.rows = ["What", "Since", "Until", "From", "Seen"].map(|label| (label, "&…\"".repeat(9000))).into();
    message.brief.prose = Some("…".repeat(9000));
    message.brief.link = Some(format!("https://picket.example/{}", "x".repeat(1000)));
    let (_, calls) = send_at(matrix, &message).await;
    // The server adds sender, room, time, hashes and signatures.
    assert!((30_000..60_000).contains(&calls[0].body.len()), "{}", calls[0].body.len());
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let error = |code: &str, error: &str| json!({ "errcode": code, "error": error }).to_string();
    let wait =
        json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "Too many requests", "retry_after_ms": 2001 }).to_string();
    is_for_later(&judged_at(matrix, 429, &[], &wait).await, Some(3), "M_LIMIT_EXCEEDED");
    is_for_later(&judged_at(matrix, 429, &[("retry-after", "7")], &wait).await, Some(7), "M_LIMIT_EXCEEDED");
    is_for_later(&judged_at(matrix, 500, &[], &error("M_UNKNOWN", "Internal server error")).await, None, "M_UNKNOWN");
    for (status, code, word, advice) in [
        (401, "M_UNKNOWN_TOKEN", "Invalid access token passed.", "sign in anew"),
        (403, "M_FORBIDDEN", "User @picket:example.org not in room", "invite it and let it join"),
        (404, "M_NOT_FOUND", "Unknown room", "invite it and let it join"),
        (404, "M_UNRECOGNIZED", "Unrecognized request", "no homeserver at this address"),
        (413, "M_TOO_LARGE", "event too large", ""),
    ] {
        is_final(&judged_at(matrix, status, &[], &error(code, word)).await, &[code, word, advice]);
    }
    let echo = judged_at(matrix, 401, &[], &error("M_UNKNOWN_TOKEN", &format!("no {TOKEN}"))).await;
    is_final(&echo, &["no ***"]);
    let made = matrix("https://matrix.example.org");
    assert!(!format!("{echo:?} {made:?} {}", made.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn bad_fields_are_named_and_not_repeated() {
    let form = Form::default().with("server", "matrix.example.org").with("room", "#ops:example.org");
    let wrong = Settings::parse(Kind::Matrix, &form.with("token", "canary with spaces")).unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["server", "room", "token"]);
    assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
    // Rooms of version 12 have no server in their id.
    let form = Form::default()
        .with("server", "https://matrix.example.org")
        .with("room", "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM");
    assert!(Settings::parse(Kind::Matrix, &form.with("token", TOKEN)).is_ok());
}
