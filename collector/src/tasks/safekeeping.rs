//! Tasks that keep data: archive, drills, anchors, retention, erasure, and whether promises are kept.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};

use super::{Own, Ran, Shared, report};
use crate::app::App;
use crate::config::KeysFrom;
use crate::privacy::erase::Receipts;
use crate::privacy::export_job::Exports;
use crate::privacy::ledger::Ledger;
use crate::vault::{KeyRing, Sealer};
use crate::{ops, privacy};

/// How often it is looked whether to ask for the operator's address.
pub(super) const PING: Duration = Duration::from_secs(10);

/// A ring that a command prints is read at each of so many looks.
const LOOKS_BY_COMMAND: u64 = 60;

pub(super) async fn retention(app: App) -> Ran {
    let _working = app.standstill.working().await;
    let now = app.clock.now();
    let done = ops::retention::run(&app.pools, &app.config.retention, now).await?;
    if !done.waits {
        let keep = Duration::from_secs(86_400) * u32::from(app.config.retention.audit_days);
        ops::audit::remove_old(&app.pools, &anchorage(&app), keep, now).await?;
    }
    report(done)
}

pub(super) async fn anchor(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(ops::anchor::run(&app.pools, &anchorage(&app), app.clock.now()).await?)
}

/// Whether promises are kept. Its times are those of looking.
pub(super) async fn posture(app: App, shared: Arc<Shared>) -> Ran {
    let (now, anchorage) = (app.clock.now(), anchorage(&app));
    let sources = sources(&app, &shared, &anchorage);
    let found = ops::posture::check(&Box::pin(ops::posture::Facts::gather(&sources, now)).await);
    let _working = app.standstill.working().await;
    ops::posture::note(&app.pools, &found, now).await?;
    report(found.len())
}

fn sources<'a>(app: &'a App, shared: &'a Shared, anchorage: &'a ops::anchor::Anchorage) -> ops::posture::Sources<'a> {
    let shelf = match &shared.archive.keeper {
        Some(keeper) => keeper.shelf().ok_or_else(|| "the archive could not be reached yet".to_owned()),
        None => Err("there is no archive of the database here".to_owned()),
    };
    ops::posture::Sources { pools: &app.pools, config: Arc::clone(&app.config), anchorage, client: &app.client, shelf }
}

/// Whether what is committed reaches the archive; runs also while the clock steps, for it writes no times.
pub(super) async fn archive(app: App, shared: Arc<Shared>) -> Ran {
    match &shared.archive.keeper {
        Some(keeper) => report(keeper.watch(app.clock.now()).await?),
        None => report("no archive"),
    }
}

/// How much a lost disk would cost. By the machine's own clock, as PostgreSQL stamps its commits; runs also while the clock steps.
pub(super) async fn heartbeat(app: App, shared: Arc<Shared>) -> Ran {
    match &shared.archive.keeper {
        Some(keeper) => {
            report(ops::heartbeat::run(&app.pools, keeper.pg_wal(), keeper.slot(), Clock::system().now()).await?)
        }
        None => report("no archive"),
    }
}

/// What ended, outside the database.
pub(super) async fn ended(app: App, shared: Arc<Shared>) -> Ran {
    let ledger = ledger(&app);
    let added = shared.ended.follow(&app.pools, &ledger, app.clock.now()).await?;
    if let Some(shelf) = shared.archive.keeper.as_ref().and_then(|keeper| keeper.shelf()) {
        shared.ended.copy(&ledger, shelf).await?;
    }
    report(added)
}

/// WAL of a database that somebody else runs, as long as nothing fails; the server keeps what did not come.
pub(super) async fn receive(shared: Arc<Shared>) -> Ran {
    match &shared.archive.receiver {
        Some(receiver) => report(receiver.run().await?),
        None => report("PostgreSQL hands its WAL over itself"),
    }
}

pub(super) async fn archive_manifest(shared: Arc<Shared>) -> Ran {
    match &shared.archive.keeper {
        Some(keeper) => report(keeper.note().await?),
        None => report("no archive"),
    }
}

pub(super) async fn archive_backup(shared: Arc<Shared>) -> Ran {
    match &shared.archive.keeper {
        Some(keeper) => report(keeper.back_up(&shared.stop).await?),
        None => report("no archive"),
    }
}

/// A restore that is tried; by the machine's own clock, like what it is held against.
pub(super) async fn drill(app: App, shared: Arc<Shared>) -> Ran {
    match &shared.archive.keeper {
        Some(keeper) => {
            let now = Clock::system().now();
            report(shared.archive.drills.run(&app.pools, keeper, now, &shared.stop).await?)
        }
        None => report("no archive"),
    }
}

pub(super) async fn erasure(app: App) -> Ran {
    let _working = app.standstill.working().await;
    let now = app.clock.now();
    report(ops::erasure::run(&app.pools, &ledger(&app), &receipts(&app, now), now).await?)
}

/// Exports that were asked for, one after the other.
pub(super) async fn make_exports(app: App) -> Ran {
    let (exports, mut made) = (exports(&app), 0);
    while exports.run(&app.clock).await? {
        made += 1;
    }
    report(made)
}

/// What keeps large exports.
pub fn exports(app: &App) -> Exports {
    Exports::new(app.pools.clone(), app.sealer.clone(), app.opener.clone(), mails(app).is_some())
}

/// Tells the operator what is not well. Drills and the restore point are looked at for it each time, the rest when posture is.
pub(super) async fn operator(app: App, shared: Arc<Shared>) -> Ran {
    let (now, anchorage) = (app.clock.now(), anchorage(&app));
    let found = Box::pin(ops::posture::recoverable(&sources(&app, &shared, &anchorage), now)).await;
    let _working = app.standstill.working().await;
    ops::posture::note(&app.pools, &found, now).await?;
    report(ops::operator::run(&app.pools, mails(&app), &app.config.operator.mail, now).await?)
}

/// Asks for the address that notices when nobody asks any more.
pub(super) async fn ping(app: App, shared: Arc<Shared>) -> Ran {
    let Some(url) = &app.config.operator.ping_url else { return report("no address") };
    let seconds = u64::from(app.config.operator.ping_seconds);
    if !shared.pings.fetch_add(1, Ordering::Relaxed).is_multiple_of(seconds.div_ceil(PING.as_secs())) {
        return report("not yet");
    }
    let status = app.client.ping(url).await.map_err(|error| format!("[operator] ping_url was not reached: {error}"))?;
    if status.is_success() {
        report(status.as_u16())
    } else {
        Err(format!("[operator] ping_url answered {status}").into())
    }
}

/// Follows the key ring where it is read from, in every collector.
pub(super) async fn keys(app: App, own: Arc<Own>) -> Ran {
    let (config, run) = (Arc::clone(&app.config), own.key_looks.fetch_add(1, Ordering::Relaxed));
    // A command may be the client of a service that counts its calls.
    if run > 0 && config.keys.from == KeysFrom::Command && !run.is_multiple_of(LOOKS_BY_COMMAND) {
        return report("not looked");
    }
    let ring = tokio::task::spawn_blocking(move || KeyRing::load(&config.keys)).await??;
    let Some(ring) = ring else { return Err("the key ring is gone: put it back; the one in memory goes on".into()) };
    if ring.ids() == app.opener.key_ids() {
        return report("as before");
    }
    if !ring.ids().contains(&app.sealer.key_id()) {
        return Err("the key ring was replaced by one that lacks the key that seals: put the old one back".into());
    }
    app.follow_keys(&ring)?;
    tracing::info!("The key ring has {} keys now, and {:08x} seals", ring.count(), ring.newest_id());
    report(ring.count())
}

/// Seals again what older keys sealed: at the beginning of a term, and after each change of the ring.
pub(super) async fn sealing(app: App, shared: Arc<Shared>) -> Ran {
    let keys = app.opener.key_ids();
    if *shared.sealed_by.lock().unwrap_or_else(PoisonError::into_inner) == keys {
        return report("as before");
    }
    let done = ops::rotation::run(&app.pools, &app.sealer, &app.opener).await?;
    *shared.sealed_by.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    report(done)
}

/// What was erased, outside the database.
pub fn ledger(app: &App) -> Ledger {
    let file = app.config.keys.directory().join(privacy::ledger::FILE);
    let (sealer, opener) = (app.sealer.clone(), app.opener.clone());
    Ledger { file, notary: app.notary.clone(), collector: app.collector_id, sealer, opener }
}

/// How receipts are sent, and until when backups keep what is erased now: the days of the archive, and one until it is swept.
pub fn receipts(app: &App, now: Timestamp) -> Receipts {
    let kept = Duration::from_secs(86_400) * (u32::from(app.config.archive.keep_days) + 1);
    Receipts { sealer: mails(app).cloned(), copies_until: app.config.archive.is_on().then(|| now + kept) }
}

/// What seals mails, where mail can be sent.
fn mails(app: &App) -> Option<&Sealer> {
    app.config.mail.host.is_some().then_some(&app.sealer)
}

fn anchorage(app: &App) -> ops::anchor::Anchorage {
    let file = app.config.audit.anchors_file(&app.config.keys);
    ops::anchor::Anchorage { file, notary: app.notary.clone(), collector: app.collector_id }
}
