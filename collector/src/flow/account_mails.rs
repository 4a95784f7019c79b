//! Mails about accounts to the operator's server: lease, send outside any transaction, record. Beside the stages of outages:
//! `login` puts them down, in a table of their own.
//!
//! Here it is decided whether anybody has the address: whoever asked for a mail has had the same answer either way.

use std::time::Duration;

use picket_shared::retry::RetryPolicy;
use picket_shared::time::{Stopwatch, Timestamp};
use tracing::{info, warn};

use crate::domain::account_mail::{About, AccountMail, Recipient};
use crate::notify::channels::email::Email;
use crate::notify::message::account;
use crate::notify::{Client, SendError, Settings};
use crate::store::account_mails::{self, Ending, Leased};
use crate::store::{Pools, StoreError};
use crate::vault::{Class, Opener, VaultError};

/// Longer than the mail server may take.
const LEASE: Duration = Duration::from_secs(120);
/// So many are leased at once, and sent one after the other.
const AT_ONCE: i64 = 1;
/// From seconds to ten minutes.
const RETRY: RetryPolicy =
    RetryPolicy { first: Duration::from_secs(5), cap: Duration::from_secs(600), floor: Duration::from_secs(1) };

/// What sending needs.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The way to the rows.
    pub pools: Pools,
    /// Opens what mails say.
    pub opener: Opener,
    /// The way out.
    pub client: Client,
    /// Where people find the collector.
    pub public_url: String,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Mails that were taken.
    pub sent: u64,
    /// Mails to be tried again.
    pub retried: u64,
    /// Mails that were given up.
    pub failed: u64,
    /// Mails to an address that nobody has, or somebody has who must not be told.
    pub superseded: u64,
}

/// Sends everything that is due.
///
/// # Errors
/// When the database fails; leases run out by themselves.
pub async fn run(ctx: &Ctx, now: Timestamp) -> Result<Report, StoreError> {
    let (mut report, watch) = (Report::default(), Stopwatch::start());
    loop {
        let at = now + watch.elapsed();
        let mut conn = ctx.pools.worker().await?;
        let leased = account_mails::lease(&mut conn, AT_ONCE, LEASE, at).await?;
        conn.commit().await?;
        if leased.is_empty() {
            return Ok(report);
        }
        for leased in leased {
            let sent = send(ctx, &leased, at).await?;
            let at = now + watch.elapsed();
            let (ending, answer) = weigh(&leased, sent, at, fastrand::f64());
            log(&leased, ending, &answer);
            let mut conn = ctx.pools.worker().await?;
            account_mails::record(&mut conn, &leased, ending, &answer, at).await?;
            conn.commit().await?;
            match ending {
                Ending::Sent => report.sent += 1,
                Ending::Retry(_) => report.retried += 1,
                Ending::Failed => report.failed += 1,
                Ending::Superseded => report.superseded += 1,
            }
        }
    }
}

/// What came of one: `None` when nobody is to have it.
type Sent = Result<Option<String>, SendError>;

async fn send(ctx: &Ctx, leased: &Leased, now: Timestamp) -> Result<Sent, StoreError> {
    let opened = ctx.opener.open(Class::AccountMail, leased.id.0.as_bytes(), &leased.sealed);
    let plain = match opened {
        Ok(plain) => plain,
        Err(error) => return Ok(Err(unopened(&error))),
    };
    let Ok(mail) = serde_json::from_slice::<AccountMail>(plain.expose()) else {
        return Ok(Err(SendError::Permanent("what the mail says cannot be read".to_owned())));
    };
    let mut conn = ctx.pools.worker().await?;
    let somebodys = account_mails::is_somebodys(&mut conn, &mail.to).await?;
    drop(conn);
    let about = match (mail.about, somebodys) {
        (About::SignUpLink(_), true) => About::HasAccount,
        (about, _) => about,
    };
    let wanted = match about.goes_to() {
        Recipient::Anybody => true,
        Recipient::Users => somebodys,
        Recipient::Strangers => !somebodys,
    };
    if !wanted {
        return Ok(Ok(None));
    }
    let message = account::write(leased.id, &about, &ctx.public_url, now);
    let sent = Settings::Email(Email { to: mail.to }).send(&message, &ctx.client).await;
    // A server may repeat what it was sent, and its answer is kept.
    let token = about.link().map(|link| link.token.clone());
    let hide = |text: String| token.as_ref().map_or(text.clone(), |token| text.replace(token.expose().as_str(), "***"));
    Ok(match sent {
        Ok(answer) => Ok(Some(hide(answer.0))),
        Err(SendError::Permanent(reason)) => Err(SendError::Permanent(hide(reason))),
        Err(SendError::Retry { reason, after }) => Err(SendError::Retry { reason: hide(reason), after }),
    })
}

/// A key that is missing may come: a collector that took over can have an old ring.
fn unopened(error: &VaultError) -> SendError {
    let reason = format!("what the mail says cannot be opened: {error}");
    match error {
        VaultError::UnknownKey(_) => SendError::Retry { reason, after: None },
        _ => SendError::Permanent(reason),
    }
}

/// What follows from how sending went. `random` is uniform in 0..1.
fn weigh(leased: &Leased, sent: Sent, at: Timestamp, random: f64) -> (Ending, String) {
    match sent {
        Ok(Some(answer)) => (Ending::Sent, answer),
        Ok(None) => (Ending::Superseded, String::new()),
        Err(SendError::Permanent(reason)) => (Ending::Failed, reason),
        Err(SendError::Retry { reason, after }) => {
            let failures = u32::try_from(leased.attempts).unwrap_or(0).saturating_add(1);
            let next_at = at + RETRY.delay(failures, after, random);
            if next_at >= leased.gives_up { (Ending::Failed, reason) } else { (Ending::Retry(next_at), reason) }
        }
    }
}

/// Without the address: whose account it is about stands in no log.
fn log(leased: &Leased, ending: Ending, answer: &str) {
    let id = leased.id;
    match ending {
        Ending::Sent => info!(mail.id = %id, "Sent account mail {id}"),
        Ending::Superseded => {}
        Ending::Retry(next_at) => {
            warn!(mail.id = %id, reason = answer, "Account mail {id} is tried again at {next_at:.0}: {answer}");
        }
        Ending::Failed => warn!(mail.id = %id, reason = answer, "Gave up account mail {id}: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::ids::AccountMailId;
    use picket_shared::secret::Sealed;

    #[test]
    fn a_mail_is_tried_again_until_it_is_of_no_use() {
        let start = Timestamp::from_seconds(1000);
        let leased = Leased {
            key: 1,
            id: AccountMailId::at(start),
            sealed: Sealed(Vec::new()),
            attempts: 3,
            gives_up: start + Duration::from_secs(900),
            until: start + LEASE,
        };
        let failed = || Err(SendError::Retry { reason: "451".to_owned(), after: None });
        let after = |second: i64| weigh(&leased, failed(), Timestamp::from_seconds(second), 1.0).0;
        assert_eq!(after(1000), Ending::Retry(Timestamp::from_seconds(1040)));
        assert_eq!(after(1860), Ending::Failed);
        assert_eq!(weigh(&leased, Ok(None), start, 0.0).0, Ending::Superseded);
    }

    #[test]
    fn a_mail_waits_for_a_key_that_is_missing_and_not_for_what_nobody_can_open() {
        assert!(matches!(unopened(&VaultError::UnknownKey(7)), SendError::Retry { .. }));
        assert!(matches!(unopened(&VaultError::Refused), SendError::Permanent(_)));
    }
}
