//! Tells the operator what is not well with the instance itself: promises that are not kept, probes that are silent, messages that were
//! given up. Once when it begins and once when it is over, in one mail for all.
//!
//! In: findings, probes, deliveries, and what was told. Out: a mail for each address, in the transaction that notes it as told.

use std::time::Duration;

use picket_shared::time::Timestamp;

use crate::domain::account_mail::About;
use crate::domain::operator::{Alarms, news};
use crate::domain::posture::State;
use crate::privacy::mail::{self, MailError};
use crate::store::read::posture;
use crate::store::{Pools, StoreError, operator};
use crate::vault::Sealer;

/// A probe that is not heard for so long is silent.
const SILENT: Duration = Duration::from_secs(300);
/// Messages that were given up in this time are told.
const LATELY: Duration = Duration::from_secs(3600);
/// How long a mail is tried.
const GIVE_UP: Duration = Duration::from_secs(86_400);

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mail could not be put down.
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// Looks once; gives how many mails were written. Without a sealer no mail can be sent, and the log alone says it. `to` are addresses; none:
/// who administers the instance.
///
/// # Errors
/// When the database fails; then nothing is noted as told.
pub async fn run(
    pools: &Pools,
    sealer: Option<&Sealer>,
    to: &[String],
    now: Timestamp,
) -> Result<usize, OperatorError> {
    let alarms = alarms(pools, now).await?;
    let mut auth = pools.auth().await?;
    let told = operator::told(&mut auth).await?;
    let Some(news) = news(&alarms, &told, now) else { return Ok(0) };
    let to = if to.is_empty() { operator::administrators(&mut auth, now).await? } else { to.to_vec() };
    for (name, says) in &news.new {
        tracing::error!(alarm = name, "{name}: {says}");
    }
    for name in &news.over {
        tracing::info!(alarm = name, "{name} is well again");
    }
    let names: Vec<&str> = news.new.iter().chain(&news.still).map(|(name, _)| name.as_str()).collect();
    operator::note(&mut auth, &names, &news.over, now).await?;
    let Some(sealer) = sealer else {
        auth.commit().await?;
        return Ok(0);
    };
    let about = About::Operator { at: now, new: news.new, over: news.over, still: news.still };
    for to in &to {
        mail::put(&mut auth, sealer, (None, to), &about, (now, GIVE_UP)).await?;
    }
    auth.commit().await?;
    Ok(to.len())
}

async fn alarms(pools: &Pools, now: Timestamp) -> Result<Alarms, StoreError> {
    let mut alarms = Alarms::new();
    let rows = posture::controls(&mut pools.auth().await?, now).await?;
    for row in rows.into_iter().filter(|row| row.now.finding.state == State::Fail) {
        alarms.insert(row.id, row.now.finding.evidence);
    }
    let mut worker = pools.worker().await?;
    for (name, seen) in operator::silent_probes(&mut worker, now - SILENT).await? {
        alarms.insert(
            format!("probe {name}"),
            format!("was last heard at {seen:.0}: is it running, and does it reach the collector?"),
        );
    }
    let (messages, channels) = operator::given_up(&mut worker, now - LATELY).await?;
    if messages > 0 {
        let says =
            format!("{messages} messages of the last hour were given up, on {channels} channels: their pages say why");
        alarms.insert("deliveries".to_owned(), says);
    }
    Ok(alarms)
}
