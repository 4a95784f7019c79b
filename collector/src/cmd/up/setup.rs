//! What `up` makes at its first start and finds again later: the local probe, and a monitor for each URL.
//!
//! It runs this very program's commands, as a person would.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::process::Command;

use super::children::{Children, LocalProbe};
use crate::cmd::{CmdError, reachable, this_program};
use crate::config::{Config, Served};
use crate::probes::machine::own_addresses;
use crate::vault::Authority;

/// How long the collector may take until it answers; PostgreSQL's recovery after a crash is part of it.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);
/// The region of the local probe.
const REGION: &str = "local";
/// Every private range (RFC 1918, 4193, 6598) and loopback: what a person who watches an own machine expects to reach.
const PRIVATE: [&str; 7] =
    ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"];

/// A monitor that `up` waits for.
pub(super) struct Watched {
    /// Which monitor.
    pub(super) id: uuid::Uuid,
    /// What it watches.
    pub(super) target: String,
}

/// Refuses to start where something listens already: its answer would be taken for our collector's, and the local probe
/// would take over from the one that runs.
pub(super) fn free(config: &Config) -> Result<(), CmdError> {
    let listen = config.http.listen;
    // The standard library reuses addresses, so a listener that ended a moment ago is no obstacle.
    std::net::TcpListener::bind(listen).map(drop).map_err(|error| {
        CmdError::new(format!(
            "cannot listen on {listen}: {error}. Stop what listens there (another Picket?), or set [http] listen"
        ))
    })
}

/// Waits until the collector answers that it is well.
pub(super) async fn healthy(config: &Config, children: &mut Children) -> Result<(), CmdError> {
    let mut last = String::from("it gave no answer");
    let answered = tokio::time::timeout(HEALTHY_WITHIN, async {
        loop {
            match ask(config).await {
                Ok(200) => return Ok(()),
                Ok(status) => last = format!("it answered {status}"),
                Err(error) => last = error,
            }
            if let Some(ended) = children.ended() {
                return Err(CmdError::new(format!("{ended} ended at its start: see its messages above")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    match answered.await {
        Ok(result) => result,
        Err(_) => Err(CmdError::new(format!("the collector is not well after {} s: {last}", HEALTHY_WITHIN.as_secs()))),
    }
}

/// The status of `/healthz`; with HTTPS only whether the port is open, which it is once everything runs.
async fn ask(config: &Config) -> Result<u16, String> {
    #[expect(clippy::disallowed_methods, reason = "the collector's own address, from its own settings")]
    let stream =
        tokio::net::TcpStream::connect(reachable(config.http.listen)).await.map_err(|error| error.to_string())?;
    if config.http.served().is_tls() {
        return Ok(200);
    }
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = hyper::Request::get("/healthz")
        .header("host", reachable(config.http.listen).to_string())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async { sender.send_request(request).await.map(|answer| answer.status().as_u16()) };
    tokio::select! {
        status = answer => status.map_err(|error| error.to_string()),
        _ = connection => Err("the connection was closed".to_owned()),
    }
}

/// The local probe: enrolled at the first start, found by its token afterwards.
pub(super) async fn local_probe(config: &Config, config_file: Option<&Path>) -> Result<LocalProbe, CmdError> {
    let directory = config.keys.directory();
    let token_file = directory.join("local-probe.token");
    if !token_file.exists() {
        let mut arguments =
            vec!["probe", "add", "--region", REGION, "--network", REGION, "--eu", "--name", "local probe"];
        // It is told again, by its file, at each start; said here, no door is opened for it.
        let url = local_url(config);
        arguments.extend(["--url", &url]);
        let added = command(config_file, &arguments).await?;
        let token =
            added.get("token").and_then(Value::as_str).ok_or_else(|| CmdError::new("`probe add` gave no token"))?;
        write_private(&token_file, token)?;
    }
    let probe_config = directory.join("local-probe.toml");
    write_private(&probe_config, &probe_settings(config)?)?;
    Ok(LocalProbe { config_file: probe_config, token_file })
}

/// Where the local probe finds the collector.
fn local_url(config: &Config) -> String {
    let http = &config.http;
    match (http.served(), http.listen.ip().is_unspecified()) {
        (Served::Certificate | Served::OwnAuthority, _) => http.public_url(),
        (_, true) => format!("http://localhost:{}", http.listen.port()),
        (_, false) if http.listen.ip().is_loopback() => format!("http://{}", http.listen),
        // A probe speaks plain HTTP on loopback only: it comes by the proxy like everybody.
        (_, false) => http.public_url(),
    }
}

fn probe_settings(config: &Config) -> Result<String, CmdError> {
    let mut allow: Vec<String> = PRIVATE.iter().map(|range| format!("{range:?}")).collect();
    allow.extend(own_addresses().into_iter().map(|address| {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        format!("\"{address}/{prefix}\"")
    }));
    let url = local_url(config);
    let authority = match config.http.served() {
        Served::OwnAuthority => Authority::load(config.keys.directory())?,
        _ => None,
    };
    let pin = authority.map(|authority| format!("pin = {:?}\n", authority.pin())).unwrap_or_default();
    Ok(format!(
        "# Written by `picket-collector up` at each start.\ncollector_url = {url:?}\n{pin}\n[egress]\nallow = [{}]\n\n[log]\nlevel = \"warn\"\n",
        allow.join(", ")
    ))
}

/// A monitor for each URL; one that is watched already is left as it is.
pub(super) async fn monitors(config_file: Option<&Path>, urls: &[String]) -> Result<Vec<Watched>, CmdError> {
    let mut watched = Vec::new();
    let mut known = list(config_file).await?;
    for url in urls {
        if let Some(id) = known.iter().find(|(_, target)| target == url).map(|(id, _)| *id) {
            watched.push(Watched { id, target: url.clone() });
            continue;
        }
        let added = command(config_file, &["monitor", "add", url, "--every", "30s", "--region", REGION]).await?;
        let id = added.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| CmdError::new("`monitor add` gave no id"))?;
        known.push((id, url.clone()));
        watched.push(Watched { id, target: url.clone() });
    }
    Ok(watched)
}

async fn list(config_file: Option<&Path>) -> Result<Vec<(uuid::Uuid, String)>, CmdError> {
    let listed = command(config_file, &["monitor", "list"]).await?;
    let rows = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(rows.iter().filter_map(|row| Some((text(row, "id")?.parse().ok()?, text(row, "target")?))).collect())
}

/// Runs a command of this program with `--json` and reads its answer.
async fn command(config_file: Option<&Path>, arguments: &[&str]) -> Result<Value, CmdError> {
    let mut command = Command::new(this_program()?);
    if let Some(file) = config_file {
        command.arg("--config").arg(file);
    }
    let output = command.args(arguments).arg("--json").stdin(Stdio::null()).kill_on_drop(true).output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("picket-collector: ").to_owned();
        return Err(CmdError::new(said));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &PathBuf, text: &str) -> Result<(), CmdError> {
    let failed = |error: std::io::Error| CmdError::new(format!("{}: {error}", path.display()));
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_where_something_listens_is_refused_before_anything_starts() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default();
        config.http.listen = taken.local_addr().unwrap();
        let refused = free(&config).unwrap_err().to_string();
        assert!(refused.contains("[http] listen"), "{refused}");
        drop(taken);
        free(&config).unwrap();
    }
}
