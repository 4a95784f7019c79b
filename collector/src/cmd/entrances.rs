//! Where the collector lets people and probes in: `listen`, and the door for probes of other machines.
//!
//! The door is opened when the first probe is told to call at it, by the bell that `probe add` rings; nobody has to
//! restart anything. One task keeps the certificates of both.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CmdError;
use super::certificates::{Files, Own, host_of};
use crate::app::App;
use crate::config::Served;
use crate::flow::verify::{Gate, Limits};
use crate::login::Porter;
use crate::probes::Desk;
use crate::probes::place::leads_to;
use crate::store::probes;
use crate::wake::Bell;
use crate::web::guard::client::Proxies;
use crate::web::guard::headers::Transport;
use crate::web::guard::host::Hosts;
use crate::web::guard::quota::Quotas;
use crate::web::probe::Door;
use crate::web::router::Audience;
use crate::web::serve::{self, Entrance};
use crate::web::tls::{Certificates, server_config};
use crate::web::{Front, Site, metrics};

/// From one look at files, names and ends of certificates to the next.
const LOOK: Duration = Duration::from_secs(10);

/// What is kept while the collector runs.
struct Keeper {
    app: App,
    files: Option<Files>,
    own: Option<Own>,
    hosts: Arc<Hosts>,
    /// Where the door for probes is to be opened.
    door: Option<(SocketAddr, Site)>,
    /// Why it could not be, as it was last told.
    trouble: Option<String>,
}

/// Begins to let people and probes in.
///
/// # Errors
/// When `listen` is taken, or its certificate cannot be used.
pub(super) async fn open(
    app: &App,
    porter: &Porter,
    limits: Arc<Limits>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), CmdError> {
    let (http, now) = (&app.config.http, app.clock.now());
    let told = told(app).await?;
    let files = http.certificate().map(Files::new).transpose()?;
    let own_listens = http.probe_door().unwrap_or(http.listen).ip();
    let own = http.needs_authority().then(|| Own::new(&app.config.keys, http, own_listens, &told, now)).transpose()?;
    let shown = match http.served() {
        Served::Certificate => files.as_ref().map(Files::certificates),
        Served::OwnAuthority => own.as_ref().map(Own::certificates),
        Served::Plain | Served::BehindProxies => None,
    };
    let listener = TcpListener::bind(http.listen).await.map_err(|error| {
        CmdError::new(format!(
            "cannot listen on {}: {error}. Stop what listens there, or set [http] listen",
            http.listen
        ))
    })?;
    let hosts = Arc::new(Hosts::new(
        host_of(&http.public_url()).into_iter().chain([http.listen.ip().to_string()]),
        http.listen.ip().is_loopback() || http.listen.ip().is_unspecified(),
    ));
    let kept = files.iter().map(|files| ("files", files.certificates()));
    let kept = kept.chain(own.iter().map(|own| ("own_authority", own.certificates())));
    let certificates = kept.map(|(source, shown)| (source, Arc::clone(shown))).collect();
    let site = Site {
        pools: app.pools.clone(),
        clock: app.clock.clone(),
        bells: app.bells.clone(),
        standstill: app.standstill.clone(),
        door: Door { gate: Gate { collector: app.collector_id, opener: app.opener.clone() }, limits },
        hosts: Arc::clone(&hosts),
        porter: porter.clone(),
        sealer: app.sealer.clone(),
        front: Arc::new(Front::new(&http.public_url(), http.listen.ip().is_loopback().then_some(http.listen.port()))),
        desk: Desk {
            pools: app.pools.clone(),
            sealer: app.sealer.clone(),
            collector: app.collector_id,
            config: Arc::clone(&app.config),
        },
        security: Arc::new(app.config.security.clone()),
        office: super::office(app),
        exports: crate::tasks::exports(app),
        trust: app.config.posture.page,
        quotas: Arc::new(Quotas::new(app.config.limits.clone())),
        meters: app.meters.clone(),
        instance: Arc::new(metrics::Instance::new(&app.config, app.started_at, certificates)),
        stop: stop.clone(),
    };
    let entrance = Entrance {
        tls: shown.map(tls).transpose()?,
        transport: match http.served() {
            Served::Certificate => Transport::Https,
            Served::OwnAuthority => Transport::OwnAuthority,
            Served::Plain | Served::BehindProxies => Transport::Plain,
        },
        proxies: Arc::new(Proxies::new(http.trusted_proxies.clone())),
        only_proxies: http.served() == Served::BehindProxies,
        ..Entrance::plain(listener, connections(app))
    };
    tracker.spawn(serve::serve(site.clone(), entrance, stop.clone()));
    let door = http.probe_door().map(|door| (door, site));
    let mut keeper = Keeper { app: app.clone(), files, own, hosts, door, trouble: None };
    keeper.look(&told, tracker, stop).await;
    tracker.spawn(keep(keeper, tracker.clone(), stop.clone()));
    Ok(())
}

async fn keep(mut keeper: Keeper, tracker: TaskTracker, stop: CancellationToken) {
    let bells = keeper.app.bells.clone();
    loop {
        tokio::select! {
            () = bells.wait(Bell::Probes, LOOK) => {}
            () = stop.cancelled() => return,
        }
        match told(&keeper.app).await {
            Ok(told) => keeper.look(&told, &tracker, &stop).await,
            // The database is away, which others say; files are looked at all the same.
            Err(_) => keeper.files.iter_mut().for_each(Files::look),
        }
    }
}

/// The URLs that probes were told to call at.
async fn told(app: &App) -> Result<Vec<String>, CmdError> {
    let mut conn = app.pools.auth().await?;
    Ok(probes::urls(&mut conn).await?)
}

impl Keeper {
    async fn look(&mut self, told: &[String], tracker: &TaskTracker, stop: &CancellationToken) {
        if let Some(files) = &mut self.files {
            files.look();
            self.hosts.add(files.certificates().shown().names);
        }
        if let Some(own) = &self.own {
            own.look(told, self.app.clock.now());
            self.hosts.add(own.certificates().shown().names);
        }
        self.hosts.add(told.iter().filter_map(|url| host_of(url)));
        let wanted = |address: SocketAddr| told.iter().any(|url| leads_to(url, address.port()));
        let Some((address, site)) = self.door.take_if(|(address, _)| wanted(*address)) else { return };
        match self.open_door(address).await {
            Ok(entrance) => {
                tracing::info!("Probes of other machines are let in at {address}");
                self.trouble = None;
                tracker.spawn(serve::serve(site, entrance, stop.clone()));
            }
            Err(error) => {
                self.door = Some((address, site));
                let trouble = error.to_string();
                if self.trouble.replace(trouble.clone()).as_ref() != Some(&trouble) {
                    tracing::error!("Probes of other machines cannot be let in: {trouble}");
                }
            }
        }
    }

    async fn open_door(&self, address: SocketAddr) -> Result<Entrance, CmdError> {
        let own = self.own.as_ref().ok_or_else(|| CmdError::new("there is no authority of our own"))?;
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
        let bound = match TcpListener::bind(address).await {
            // A machine without IPv6.
            Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) && address.ip().is_unspecified() => {
                TcpListener::bind(v4).await
            }
            bound => bound,
        };
        let listener = bound.map_err(|error| {
            CmdError::new(format!(
                "cannot listen on {address}: {error}. Stop what listens there, or set [http] probe_listen"
            ))
        })?;
        Ok(Entrance {
            tls: Some(tls(own.certificates())?),
            transport: Transport::OwnAuthority,
            audience: Audience::Probes,
            ..Entrance::plain(listener, connections(&self.app))
        })
    }
}

fn tls(shown: &Arc<Certificates>) -> Result<Arc<rustls::ServerConfig>, CmdError> {
    server_config(Arc::clone(shown)).map_err(|error| CmdError::new(error.to_string()))
}

fn connections(app: &App) -> usize {
    usize::try_from(app.config.limits.connections).unwrap_or(usize::MAX)
}
