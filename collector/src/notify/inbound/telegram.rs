//! Telegram: updates with a `callback_query`, <https://core.telegram.org/bots/api#callbackquery>, to an address that was set with a
//! `secret_token`, which each request names: <https://core.telegram.org/bots/api#setwebhook>. The answer may call a method:
//! <https://core.telegram.org/bots/api#making-requests-when-getting-updates>.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use picket_shared::secret::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Request, Said, called, header};
use crate::notify::channels::telegram::ACKNOWLEDGE;

#[derive(Deserialize)]
struct Update {
    callback_query: Option<Query>,
}

#[derive(Deserialize)]
struct Query {
    id: String,
    #[serde(default)]
    from: User,
    data: Option<String>,
}

#[derive(Default, Deserialize)]
struct User {
    username: Option<String>,
    first_name: Option<String>,
}

pub(super) fn hear(secret: &SecretString, request: &Request<'_>) -> Result<Said, Refusal> {
    let named = header(request, "x-telegram-bot-api-secret-token");
    verify_slices_are_equal(named.as_bytes(), secret.expose().as_bytes()).map_err(|_| Refusal::Unsigned)?;
    let update: Update = serde_json::from_slice(request.body).map_err(|_| Refusal::Malformed)?;
    let Some(query) = update.callback_query else { return Ok(Said::Nothing) };
    let who = called([query.from.username.as_deref(), query.from.first_name.as_deref()]);
    let token = query.data.as_deref().and_then(|data| data.strip_prefix(ACKNOWLEDGE)).map(ToOwned::to_owned);
    Ok(token.map_or(Said::Nothing, |token| Said::Pressed { token, who }))
}

/// Ends the waiting that Telegram shows on the button, with words.
pub(super) fn answer(request: &Request<'_>, words: &str) -> Option<Value> {
    let update: Update = serde_json::from_slice(request.body).ok()?;
    let id = update.callback_query?.id;
    Some(json!({ "method": "answerCallbackQuery", "callback_query_id": id, "text": words }))
}
