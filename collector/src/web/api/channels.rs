//! Channels, as their pages manage them: made, proven, tested, renamed, given other settings, removed. Settings go in and
//! never come out.

use std::time::Duration;

use axum::routing::{delete, get, patch, post, put};
use picket_shared::ids::{ChannelId, DeliveryId};
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::problem::{Fault, Kind as ProblemKind, Problem};
use super::query::{self, AFTER, LIMIT};
use super::schedules::{faults, people};
use super::{Answer, Call, Operation, Outcome};
use crate::channels::{self, ChannelError, Made, Verdict};
use crate::domain::access::Right;
use crate::notify::channels::{Form, Kind, Proof};
use crate::store::Scoped;
use crate::store::channels::{self as store, ChannelRow};
use crate::web::telling::People;
use crate::web::telling::quiet::{self, Change, Manners};

/// `GET /api/v1/channels`.
pub const LIST: Operation =
    Operation::get("/api/v1/channels", Right::ChannelsRead, "listChannels", || get(list_channels))
        .does("Lists channels in the order in which they were made.")
        .query(&[LIMIT, AFTER])
        .answers(&[(200, Some("ChannelPage"))]);
/// `POST /api/v1/channels`.
pub const CREATE: Operation =
    Operation::post("/api/v1/channels", Right::ChannelsWrite, "createChannel", || post(create_channel))
        .does("Makes a channel and begins its proof; it is told nothing before it is verified.")
        .body("NewChannel")
        .answers(&[(201, Some("ChannelMade"))]);
/// `GET /api/v1/channels/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/channels/{id}", Right::ChannelsRead, "getChannel", || get(get_channel))
        .does("Shows a channel.")
        .answers(&[(200, Some("Channel"))]);
/// `PATCH /api/v1/channels/{id}`.
pub const RENAME: Operation =
    Operation::patch("/api/v1/channels/{id}", Right::ChannelsWrite, "renameChannel", || patch(rename_channel))
        .does("Gives a channel another name; says whether its messages name nothing that is watched, when it is quiet, and whose own it is.")
        .body("ChannelPatch")
        .answers(&[(200, Some("Channel"))]);
/// `PUT /api/v1/channels/{id}/settings`.
pub const REPLACE: Operation =
    Operation::put("/api/v1/channels/{id}/settings", Right::ChannelsWrite, "replaceChannelSettings", || {
        put(put_settings)
    })
    .does("Gives a channel other settings, all of them, and begins its proof anew.")
    .body("SettingsBody")
    .answers(&[(200, Some("ChannelMade"))]);
/// `DELETE /api/v1/channels/{id}`.
pub const REMOVE: Operation =
    Operation::delete("/api/v1/channels/{id}", Right::ChannelsWrite, "removeChannel", || delete(remove_channel))
        .does("Removes a channel; what waits for it is not sent.")
        .answers(&[(204, None)]);
/// `POST /api/v1/channels/{id}/prove`.
pub const PROVE: Operation =
    Operation::post("/api/v1/channels/{id}/prove", Right::ChannelsWrite, "proveChannel", || post(prove_channel))
        .does("Sends another code, or the provider another event to accept.")
        .answers(&[(200, Some("Channel"))]);
/// `POST /api/v1/channels/{id}/verify`.
pub const VERIFY: Operation =
    Operation::post("/api/v1/channels/{id}/verify", Right::ChannelsWrite, "verifyChannel", || post(verify_channel))
        .does("Verifies a channel by the code that came there.")
        .body("Code")
        .answers(&[(200, Some("Channel"))]);
/// `POST /api/v1/channels/{id}/test`.
pub const TEST: Operation =
    Operation::post("/api/v1/channels/{id}/test", Right::ChannelsWrite, "testChannel", || post(test_channel))
        .does("Sends a test message; `last` says what came of it, as far as is known after ten seconds.")
        .answers(&[(200, Some("Channel"))]);

/// `POST /api/v1/channels/{id}/rotate-secret`.
pub const ROTATE: Operation =
    Operation::post("/api/v1/channels/{id}/rotate-secret", Right::ChannelsWrite, "rotateChannelSecret", || {
        post(rotate_secret)
    })
    .does("Gives a webhook another signing secret, shown this once; the former one signs too for a time, and the channel stays verified.")
    .body("SecretRotation")
    .answers(&[(200, Some("ChannelMade"))]);

/// How long an answer waits for that of the provider.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the former secret of a webhook signs too, unless somebody says otherwise.
const FORMER_FOR: Duration = Duration::from_secs(86_400);

async fn list_channels(call: Call) -> Outcome {
    let (limit, after) = (call.query.limit(), call.query.after::<ChannelId>()?);
    let people = people(&call).await?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    let mut rows = store::list(&mut scoped).await?;
    let manners = Manners::of(&mut scoped, people).await?;
    rows.sort_by_key(|row| row.id);
    rows.retain(|row| after.is_none_or(|after| row.id > after));
    let (rows, next) = query::page(rows, limit, |row| row.id.to_string());
    Ok(Answer::page(rows.iter().map(|row| shown(row, &manners)).collect(), next))
}

async fn get_channel(call: Call) -> Outcome {
    Ok(Answer::ok(show(&call).await?))
}

async fn create_channel(call: Call) -> Outcome {
    let name = call.body.get("kind").and_then(Value::as_str).unwrap_or_default();
    let kind = Kind::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        invalid("kind", format!("must be one of {}", known.join(", ")))
    })?;
    let form = settings(kind, &call.body)?;
    let name = call.body.get("name").and_then(Value::as_str);
    let minimal = call.body.get("minimal").and_then(Value::as_bool).unwrap_or(false);
    let mut scoped = call.caller.scoped(&call.site).await?;
    let now = call.site.clock.now();
    let made =
        channels::add(&mut scoped, &call.site.sealer, (kind, &form), (name, minimal), now).await.map_err(refused)?;
    let (row, secret) = begin(&call, scoped, made).await?;
    let manners = manners(&call).await?;
    Ok(Answer::created(format!("/api/v1/channels/{}", row.id), made_of(&row, &manners, secret.as_ref())))
}

async fn put_settings(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let kind = Kind::parse(&row.kind).ok_or_else(Problem::not_found)?;
    let form = settings(kind, &call.body)?;
    let now = call.site.clock.now();
    let made = channels::edit(&mut scoped, &call.site.sealer, &row, &form, now).await.map_err(refused)?;
    let (row, secret) = begin(&call, scoped, made).await?;
    Ok(Answer::ok(made_of(&row, &manners(&call).await?, secret.as_ref())))
}

async fn rename_channel(call: Call) -> Outcome {
    let people = people(&call).await?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let now = call.site.clock.now();
    let name = call.body.get("name").and_then(Value::as_str);
    let minimal = call.body.get("minimal").and_then(Value::as_bool);
    let change = change(&call.body, &people)?;
    if name.is_none() && minimal.is_none() && change.quiet.is_none() && change.member.is_none() {
        return Err(invalid("", "name what to change: name, minimal, quiet or member"));
    }
    if let Some(name) = name.filter(|name| *name != row.name) {
        channels::rename(&mut scoped, &row, name, now).await.map_err(refused)?;
    }
    if let Some(minimal) = minimal {
        channels::set_minimal(&mut scoped, &row, minimal, now).await.map_err(refused)?;
    }
    let manners = Manners::of(&mut scoped, people).await?;
    if !quiet::apply(&mut scoped, &row, &manners, &change, now).await? {
        return Err(Problem::not_found());
    }
    scoped.commit().await?;
    Ok(Answer::ok(show(&call).await?))
}

/// What is to become of quiet hours and of whose it is.
fn change(body: &Value, people: &People) -> Result<Change, Problem> {
    let quiet = match body.get("quiet") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(said) => Some(Some(quiet::read(said).map_err(faults)?)),
    };
    let member = match body.get("member") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(id) => {
            let id = id.as_str().unwrap_or_default();
            let key = people.key(id).zip(id.parse().ok());
            Some(Some(key.ok_or_else(|| invalid("member", "is no member of the organization"))?))
        }
    };
    Ok(Change { quiet, member })
}

async fn remove_channel(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    store::remove(&mut scoped, row.key, call.site.clock.now()).await?;
    scoped.commit().await?;
    Ok(Answer::done())
}

async fn prove_channel(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let begun = channels::prove(&mut scoped, &call.site.sealer, &row, call.site.clock.now()).await;
    let begun = begun.map_err(|error| waits(&call, error))?;
    scoped.commit().await?;
    after(&call, begun.delivery).await
}

async fn verify_channel(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let code = call.body.get("code").and_then(Value::as_str).unwrap_or_default();
    let verdict = channels::verify(scoped, &call.site.sealer, &row, code, call.site.clock.now()).await;
    match verdict.map_err(refused)? {
        Verdict::Verified | Verdict::Already => get_channel(call).await,
        Verdict::Wrong { left } => Err(invalid("code", format!("is not the one that was sent; tries left: {left}"))),
        Verdict::NoneWorks => {
            Err(invalid("code", "no code works: it ran out, or too many were wrong. Send another by prove"))
        }
    }
}

async fn rotate_secret(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let seconds = call.body.get("former_for_s").and_then(Value::as_u64).unwrap_or(FORMER_FOR.as_secs());
    let (former_for, now) = (Duration::from_secs(seconds), call.site.clock.now());
    let secret = channels::rotate(&mut scoped, &call.site.sealer, &row, former_for, now).await.map_err(refused)?;
    let row = find(&mut scoped, &call).await?;
    scoped.commit().await?;
    Ok(Answer::ok(made_of(&row, &manners(&call).await?, Some(&secret))))
}

async fn test_channel(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let delivery = channels::test(&mut scoped, &row, call.site.clock.now()).await;
    let delivery = delivery.map_err(|error| waits(&call, error))?;
    scoped.commit().await?;
    after(&call, delivery).await
}

/// The channel of the path; what belongs to others is not there.
async fn find(scoped: &mut Scoped, call: &Call) -> Result<ChannelRow, Problem> {
    store::get(scoped, call.id()?).await?.ok_or_else(Problem::not_found)
}

/// Waits for what the provider says to a message, then shows the channel.
async fn after(call: &Call, delivery: DeliveryId) -> Outcome {
    channels::answer(&call.site.pools, call.caller.org(), delivery, ANSWER_WITHIN).await?;
    Ok(Answer::ok(show(call).await?))
}

async fn manners(call: &Call) -> Result<Manners, Problem> {
    let people = people(call).await?;
    Ok(Manners::of(&mut call.caller.scoped(&call.site).await?, people).await?)
}

/// The channel of the path, as it is now.
async fn show(call: &Call) -> Result<Value, Problem> {
    let manners = manners(call).await?;
    let row = find(&mut call.caller.scoped(&call.site).await?, call).await?;
    Ok(shown(&row, &manners))
}

/// Begins the proof of a channel that was made, and commits. Where enough were asked for it is there all the same.
async fn begin(call: &Call, mut scoped: Scoped, made: Made) -> Result<(ChannelRow, Option<SecretString>), Problem> {
    match channels::prove(&mut scoped, &call.site.sealer, &made.row, call.site.clock.now()).await {
        Ok(_) | Err(ChannelError::Wait(_)) => {}
        Err(failed) => return Err(refused(failed)),
    }
    let row = store::get(&mut scoped, made.row.id).await?.ok_or_else(Problem::not_found)?;
    scoped.commit().await?;
    Ok((row, made.secret))
}

/// The settings of a body: only fields of this kind.
fn settings(kind: Kind, body: &Value) -> Result<Form, Problem> {
    let given = body.get("settings").and_then(Value::as_object);
    let fields = kind.fields();
    let mut faults = Vec::new();
    let mut form = Form::default();
    for (name, value) in given.into_iter().flatten() {
        if fields.iter().any(|field| field.name == name) {
            form = form.with(name, value.as_str().unwrap_or_default());
        } else {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let message = format!("a channel of kind {} has: {}", kind.as_str(), known.join(", "));
            faults.push(Fault::new(format!("settings.{name}"), message));
        }
    }
    if faults.is_empty() { Ok(form) } else { Err(Problem::faults(ProblemKind::InvalidBody, faults)) }
}

fn invalid(field: &str, message: impl Into<String>) -> Problem {
    Problem::faults(ProblemKind::InvalidBody, vec![Fault::new(field, message)])
}

fn refused(error: ChannelError) -> Problem {
    let message = error.to_string();
    match error {
        ChannelError::Settings(wrong) => {
            let faults = wrong.into_iter().map(|wrong| Fault::new(wrong.field, wrong.message).within("settings"));
            Problem::faults(ProblemKind::InvalidBody, faults.collect())
        }
        ChannelError::Abroad(_) => invalid("kind", message),
        ChannelError::Name => invalid("name", "must be 1 to 200 characters on one line"),
        ChannelError::NameTaken(_) => invalid("name", message),
        ChannelError::FormerKeyLife => invalid("former_for_s", message),
        ChannelError::SignsNothing(_) => Problem::new(ProblemKind::NotSigned, message),
        ChannelError::Gone => Problem::not_found(),
        ChannelError::NotVerified(_) | ChannelError::Unset(_) => Problem::new(ProblemKind::NotVerified, message),
        ChannelError::Wait(_) => Problem::wait(60, message),
        ChannelError::Store(error) => error.into(),
        ChannelError::Vault(_) => Problem::new(ProblemKind::Unavailable, "the settings could not be sealed: try again"),
    }
}

/// The same, with how long to wait.
fn waits(call: &Call, error: ChannelError) -> Problem {
    match error {
        ChannelError::Wait(until) => {
            let wait = until.since(call.site.clock.now()).as_secs() + 1;
            Problem::wait(wait, error.to_string())
        }
        other => refused(other),
    }
}

fn made_of(row: &ChannelRow, manners: &Manners, secret: Option<&SecretString>) -> Value {
    json!({ "channel": shown(row, manners), "signing_secret": secret.map(|secret| secret.expose().clone()) })
}

fn shown(row: &ChannelRow, manners: &Manners) -> Value {
    let by_code = Kind::parse(&row.kind).is_none_or(|kind| kind.proof() == Proof::Code);
    let last =
        row.last.as_ref().map(|last| json!({ "state": last.state, "at": last.at.exact(), "answer": last.answer }));
    json!({
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "hint": row.hint,
        "provider_abroad": row.abroad,
        "minimal": row.minimal,
        "former_secret_until": row.former_key_until.map(Timestamp::exact),
        "quiet": manners.quiet(row.key),
        "member": manners.member(row.key).and_then(|member| manners.people().id(member)),
        "created_at": row.created_at.exact(),
        "verified_at": row.verified_at.map(Timestamp::exact),
        "without_destination": row.unset.as_ref().map(|(at, why)| json!({ "since": at.exact(), "why": why })),
        "proof": if by_code { "code" } else { "acceptance" },
        "last": last,
    })
}
