//! `probe add`: makes a probe, and a token that holds all it must know; says how to start it.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use aws_lc_rs::rand;
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::ProbeId;
use picket_shared::secret::{Secret, SecretString};
use serde_json::json;

use super::place::{self, Place, Reach};
use super::{AddArgs, Desk, ProbeError};
use crate::cmd::machine::Machine;
use crate::cmd::reachable;
use crate::store::Auth;
use crate::store::probes::{self, NewProbe};
use crate::store::regions::{self, RegionRow};
use crate::vault::{Authority, Class};

/// How long a running collector may take to open its door.
const DOOR_OPENS_WITHIN: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// When it could not be done, with what to do instead.
pub(super) async fn run(args: AddArgs, desk: Desk<'_>) -> Result<ExitCode, ProbeError> {
    let place = place::find(args.url.as_deref(), &desk.config.http, &Machine::look())?;
    let pin = match place.pinned {
        true => Some(Authority::load(desk.config.keys.directory())?.ok_or(ProbeError::NoAuthority)?.pin().to_owned()),
        false => None,
    };
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| ProbeError::Random)?;
    let probe = ProbeId::at(desk.now);
    let sealed = desk.sealer.seal(Class::ProbeSecret, probe.0.as_bytes(), &secret)?;
    let name = args.name.clone().unwrap_or_else(|| args.region.to_string());
    let mut conn = desk.pools.auth().await?;
    let region = region(&mut conn, &args, desk).await?;
    let new = NewProbe { id: probe, region: region.key, name: &name, secret: &sealed, url: &place.url };
    probes::insert(&mut conn, new, desk.now).await?;
    conn.commit().await?;
    let token = EnrolmentToken {
        probe,
        collector: desk.collector,
        secret: Secret::new(secret.to_vec()),
        url: Some(place.url.clone()),
        pin: pin.clone(),
    };
    let token = token.to_text();
    if args.json {
        let value = json!({
            "id": probe, "region": region.code, "name": name, "url": place.url, "pin": pin, "token": token.expose(),
        });
        writeln!(io::stdout().lock(), "{value}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let who = format!("Probe {name} ({probe}) in region {}", region.code);
    tell(&token, &who, &place, args.url.is_some())?;
    if let Some(door) = place.door
        && !opens(door).await
    {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "\nNothing answers at {door} yet: is the collector running (`picket-collector serve`)? If it is,"
        )?;
        writeln!(out, "its log says what keeps it from listening there.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The region of that name, made when it is new.
async fn region(conn: &mut Auth, args: &AddArgs, desk: Desk<'_>) -> Result<RegionRow, ProbeError> {
    let Some(found) = regions::find(conn, &args.region).await? else {
        // A region that names no network counts as one of its own.
        let network = args.network.as_deref().unwrap_or(args.region.as_str());
        return Ok(regions::insert(conn, &args.region, network, args.eu, desk.now).await?);
    };
    let same = args.network.as_ref().is_none_or(|network| *network == found.network) && (found.eu || !args.eu);
    if same {
        return Ok(found);
    }
    let place = if found.eu { "in the EU" } else { "outside the EU" };
    Err(ProbeError::OtherRegion(args.region.clone(), found.network, place))
}

fn tell(token: &SecretString, who: &str, place: &Place, given: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{who} may send now.")?;
    writeln!(out, "Its token is shown this once. On the probe's machine, run:\n")?;
    writeln!(out, "  PICKET_TOKEN={} picket-probe run\n", token.expose())?;
    let trust =
        if place.pinned { ", and takes nobody for the collector but this one (by the pin in the token)" } else { "" };
    writeln!(out, "It calls {}{trust}.", place.url)?;
    match place.reach {
        Reach::Anywhere => {}
        Reach::PrivateNetwork => {
            writeln!(
                out,
                "That is an address in a private network. For a probe outside of it, add one that is told the"
            )?;
            writeln!(out, "address by which this collector is reached from there: --url https://ADDRESS:PORT")?;
        }
        Reach::ThisMachine if given => {
            writeln!(out, "That is this machine alone. For a probe of another machine leave --url out.")?;
        }
        Reach::ThisMachine => {
            writeln!(out, "That is this machine alone. For probes of other machines leave [http] public_url and")?;
            writeln!(out, "probe_listen out, or set listen = \"0.0.0.0:8443\"; then add the probe again.")?;
        }
    }
    Ok(())
}

/// Whether the collector lets probes in at its door; it opens it when it hears of the first that is to call there.
async fn opens(door: SocketAddr) -> bool {
    // Where there is no IPv6, its wildcard is opened for IPv4.
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, door.port()));
    let addresses: &[SocketAddr] = if door.ip().is_unspecified() { &[reachable(door), v4] } else { &[door] };
    let tries = async {
        loop {
            for address in addresses {
                #[expect(clippy::disallowed_methods, reason = "the collector's own address, from its own settings")]
                if tokio::net::TcpStream::connect(address).await.is_ok() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(DOOR_OPENS_WITHIN, tries).await.is_ok()
}
