//! Passkeys on pages: what `assets/passkeys.js` asks for, as JSON, and the forms that it fills in and sends. Without
//! JavaScript none of it is offered.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::sign_in::{own_path, too_soon};
use super::{error, second_step, sign_in, step_up};
use crate::domain::passkey::{ALGORITHMS, NewPasskey, Proof, RelyingParty};
use crate::login::LoginError;
use crate::login::caller::Caller;
use crate::login::passkey::add::Creation;
use crate::login::passkey::present::Asked;
use crate::login::passkey::{CHALLENGE_LIFE, Request};
use crate::login::password::SignIn;
use crate::web::Site;
use crate::web::error::Problem;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::guard::cookie::Kept;
use crate::web::texts::text;

/// Most bytes of a field.
const LONGEST: usize = 8192;

/// `POST /sign-in/passkey/options`.
pub async fn post_sign_in_options(State(site): State<Site>, caller: Caller, _: Form) -> Response {
    let Some(party) = &site.front.party else { return no_passkeys() };
    match site.porter.ask_to_sign_in(&caller, site.clock.now()).await {
        Ok(Asked::Done(ticket, request)) => {
            let mut response = answer(&asked(party, &request));
            if let Some(cookie) = site.front.cookie.keep(Kept::Passkey, &ticket) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Asked::Wait(wait)) => {
            let problem =
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many passkeys were asked for: try again later");
            let mut response = problem.into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            response
        }
        Err(failed) => unavailable(&failed),
    }
}

/// `POST /sign-in/passkey`.
pub async fn post_sign_in(State(site): State<Site>, headers: HeaderMap, caller: Caller, form: Form) -> Response {
    let (Some(proof), Some(party)) = (proof(&form), &site.front.party) else { return unread() };
    let next = own_path(form.text("next"));
    let again = |status, error| sign_in::show_again(&site, status, next, error);
    let wrong = || again(StatusCode::UNAUTHORIZED, text("passkey.wrong").to_owned());
    let Some(asker) = site.front.cookie.read(Kept::Passkey, &headers) else { return wrong() };
    let done = site.porter.sign_in_by_passkey(&asker, party, &proof, &caller, site.clock.now()).await;
    let mut response = match done {
        Ok(SignIn::Wait(wait)) => return too_soon(wait, async |status, error| again(status, error)).await,
        Ok(done) => sign_in::signed(&site, done, &caller, next).await.unwrap_or_else(wrong),
        Err(failed) => return error::unavailable(&failed),
    };
    if let Some(cookie) = site.front.cookie.remove(Kept::Passkey) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /sign-in/code/passkey/options`.
pub async fn post_second_options(State(site): State<Site>, headers: HeaderMap, _: Form) -> Response {
    let Some(party) = &site.front.party else { return no_passkeys() };
    let Some(half) = site.front.cookie.read(Kept::Half, &headers) else { return no_passkeys() };
    requested(party, site.porter.ask_for_second(&half, party, site.clock.now()).await)
}

/// `POST /sign-in/code/passkey`.
pub async fn post_second(State(site): State<Site>, headers: HeaderMap, caller: Caller, form: Form) -> Response {
    let (Some(proof), Some(party)) = (proof(&form), &site.front.party) else { return unread() };
    let next = own_path(form.text("next"));
    let Some(half) = site.front.cookie.read(Kept::Half, &headers) else { return second_step::over() };
    let step = site.porter.second_step_by_passkey(&half, party, &proof, &caller, site.clock.now()).await;
    second_step::answer(&site, (&half, &caller), next, text("passkey.wrong"), step).await
}

/// `POST /step-up/passkey/options`.
pub async fn post_step_up_options(State(site): State<Site>, user: User, _: Form) -> Response {
    let Some(party) = &site.front.party else { return no_passkeys() };
    requested(party, site.porter.ask_again(&user.member, &user.ticket, party, site.clock.now()).await)
}

/// `POST /step-up/passkey`.
pub async fn post_step_up(State(site): State<Site>, user: User, form: Form) -> Response {
    let (Some(proof), Some(party)) = (proof(&form), &site.front.party) else { return unread() };
    let who = (&user.member, &user.ticket);
    let step = site.porter.step_up_by_passkey(who, party, &proof, &user.author(), site.clock.now()).await;
    step_up::answer(&site, &user, own_path(form.text("next")), text("passkey.wrong"), step).await
}

/// What the browser is to make, for somebody who signs in with this address.
pub(super) fn creation(party: &RelyingParty, email: &str, made: &Creation) -> Response {
    let algorithms = ALGORITHMS.map(|number| json!({ "type": "public-key", "alg": number }));
    answer(&json!({
        "challenge": made.challenge,
        "rp": { "id": party.id(), "name": text("common.product") },
        "user": { "id": URL_SAFE_NO_PAD.encode(made.handle), "name": email, "displayName": email },
        "pubKeyCredParams": algorithms,
        "excludeCredentials": descriptors(&made.existing),
        "authenticatorSelection": { "residentKey": "preferred", "userVerification": "preferred" },
        "attestation": "none",
        "timeout": milliseconds(),
    }))
}

/// What the browser made, as the form holds it.
pub(super) fn made(form: &Form) -> Option<NewPasskey> {
    Some(NewPasskey { client_data: field(form, "client_data")?, attestation: field(form, "attestation")? })
}

/// There is nothing to sign or to make.
pub(super) fn no_passkeys() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "there is no passkey to ask for here: go back and sign in another way")
        .into_response()
}

fn requested(party: &RelyingParty, request: Result<Option<Request>, LoginError>) -> Response {
    match request {
        Ok(Some(request)) => answer(&asked(party, &request)),
        Ok(None) => no_passkeys(),
        Err(failed) => unavailable(&failed),
    }
}

fn asked(party: &RelyingParty, request: &Request) -> Value {
    json!({
        "challenge": request.challenge,
        "rpId": party.id(),
        "allowCredentials": descriptors(&request.passkeys),
        "userVerification": if request.must_verify { "required" } else { "discouraged" },
        "timeout": milliseconds(),
    })
}

fn descriptors(ids: &[Vec<u8>]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "type": "public-key", "id": URL_SAFE_NO_PAD.encode(id) })).collect()
}

fn milliseconds() -> u64 {
    CHALLENGE_LIFE.as_secs() * 1000
}

fn proof(form: &Form) -> Option<Proof> {
    let user_handle = URL_SAFE_NO_PAD.decode(form.raw("user_handle")).ok().filter(|handle| handle.len() <= 64)?;
    Some(Proof {
        id: field(form, "id").filter(|id| id.len() <= 1023)?,
        client_data: field(form, "client_data")?,
        authenticator_data: field(form, "authenticator_data")?,
        signature: field(form, "signature")?,
        user_handle,
    })
}

fn field(form: &Form, name: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(form.raw(name)).ok()?;
    (1..=LONGEST).contains(&bytes.len()).then_some(bytes)
}

fn answer(value: &Value) -> Response {
    let mut response = value.to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unread() -> Response {
    error::page(StatusCode::BAD_REQUEST, "error.form")
}

fn unavailable(failed: &LoginError) -> Response {
    tracing::error!("A challenge for a passkey could not be drawn: {failed}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the data cannot be reached: try again").into_response()
}
