//! `probe add`: makes a probe, and a token that holds all it must know; says how to start it.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::{AddArgs, ProbeError};
use crate::cmd::{actor, reachable};
use crate::probes::place::{Place, Reach};
use crate::probes::{self, Desk, New};
use crate::store::audit::Author;

/// How long a running collector may take to open its door.
const DOOR_OPENS_WITHIN: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// When it could not be done, with what to do instead.
pub(super) async fn run(args: AddArgs, desk: &Desk, now: Timestamp) -> Result<ExitCode, ProbeError> {
    let given = args.url.is_some();
    let new = New { region: args.region, network: args.network, eu: args.eu, name: args.name, url: args.url };
    let added = probes::add(desk, new, &Author::of_instance(actor()), now).await?;
    if args.json {
        let value = json!({
            "id": added.id, "region": added.region, "name": added.name, "url": added.place.url, "pin": added.pin,
            "token": added.token.expose(),
        });
        writeln!(io::stdout().lock(), "{value}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let who = format!("Probe {} ({}) in region {}", added.name, added.id, added.region);
    tell(&added.token, &who, &added.place, given)?;
    if let Some(door) = added.place.door
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
