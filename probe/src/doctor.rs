//! `picket-probe doctor`: what is wrong with this probe, and what to do. It says no hello, so a probe that runs with
//! the same token goes on undisturbed.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::BootId;
use picket_shared::outcome::SelfCheck;
use picket_shared::time::Clock;
use picket_shared::wire::{KEYS_PATH, Keys, MAX_SKEW_SECONDS};
use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::clock::CollectorClock;
use crate::config::{ConfigError, File, Settings};
use crate::link::{Link, LinkError, Lookup, TIMEOUT};
use crate::pipeline::{asking, prepare, runtime};
use crate::selfcheck::SelfChecker;
use crate::sign::Signer;
use crate::{checks, confine};

/// How the collector's refusal of a start that said no hello ends.
const HELLO_WANTED: &str = "(unknown_key)";

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen, and what to do if it is bad.
    pub message: String,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// Not looked at, with the reason.
    NotMeasured,
}

/// Looks at everything and prints it; exit code 1 if anything fails.
pub fn run(args: &DoctorArgs, token: impl Fn(&File) -> Result<EnrolmentToken, ConfigError>) -> ExitCode {
    let mut findings = Vec::new();
    let loaded = load(args, token, &mut findings);
    let prepared = loaded.as_ref().and_then(|settings| match prepare(settings) {
        Ok(prepared) => Some(prepared),
        Err(error) => {
            findings.push(fail("resolver", error));
            None
        }
    });
    let readable = loaded.as_ref().map_or(&[][..], |settings| &settings.read_files);
    let confinement = confine::confine(readable);
    let whole = confine::is_whole(&confinement);
    let sentence = confine::describe(&confinement);
    findings.push(judged("confinement", whole, sentence, "use a kernel of 5.13 or newer with Landlock and seccomp"));
    match runtime() {
        Ok(runtime) => runtime.block_on(async {
            findings.push(attempts().await);
            if let (Some(settings), Some((env, lookup))) = (loaded, prepared) {
                Box::pin(line(&settings, env, lookup, &mut findings)).await;
            }
        }),
        Err(error) => findings.push(fail("runtime", error.to_string())),
    }
    // Nothing is left to do if standard output is closed.
    print(&findings, args.json).ok();
    let bad = findings.iter().any(|finding| finding.state == State::Fail);
    ExitCode::from(u8::from(bad))
}

fn load(
    args: &DoctorArgs,
    token: impl Fn(&File) -> Result<EnrolmentToken, ConfigError>,
    findings: &mut Vec<Finding>,
) -> Option<Settings> {
    let loaded = File::read(args.config.config.as_deref()).and_then(|file| {
        let token = token(&file)?;
        file.settings(token)
    });
    match loaded {
        Ok(settings) => {
            findings.push(pass("settings", format!("complete, for probe {}", settings.token.probe)));
            Some(settings)
        }
        Err(error) => {
            findings.push(fail("settings", error.to_string()));
            None
        }
    }
}

/// Tries what must be refused, on a worker thread of the runtime: one that was made after the confinement.
async fn attempts() -> Finding {
    let trying = tokio::task::spawn_blocking(|| {
        let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
        (thread, confine::attempts())
    });
    let (thread, tried) = trying.await.unwrap_or_default();
    let open: Vec<&str> = tried.iter().filter(|attempt| !attempt.refused).map(|attempt| attempt.what).collect();
    let whole = open.is_empty() && !tried.is_empty();
    let seen = if whole {
        let tried: Vec<&str> = tried.iter().map(|attempt| attempt.what).collect();
        format!("refused on thread {thread}: {}", tried.join(", "))
    } else {
        format!("the kernel allowed {}", open.join(", "))
    };
    judged("statelessness", whole, seen, "use a kernel of 5.13 or newer with Landlock and seccomp")
}

async fn line(settings: &Settings, env: checks::Env, lookup: Lookup, findings: &mut Vec<Finding>) {
    let host = settings.collector.url.host_str().unwrap_or_default().to_owned();
    findings.push(name_of_the_collector(&host, &lookup).await);
    let clock = Arc::new(CollectorClock::start(Clock::system(), env.roots.collector_clock()));
    let signer = Arc::new(Signer::new(&settings.token, BootId::at(clock.now())));
    match Link::new(&settings.collector, lookup, signer, Arc::clone(&clock)) {
        Ok(link) => findings.extend(ask_the_collector(&link, &host).await),
        Err(error) => findings.push(fail("collector", error)),
    }
    findings.push(clock_offset(&clock));
    findings.extend(own_network(settings, env).await);
}

async fn name_of_the_collector(host: &str, lookup: &Lookup) -> Finding {
    const NAME: &str = "resolver";
    if host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
        return Finding {
            name: NAME,
            state: State::NotMeasured,
            message: format!("the collector's address {host} needs no look-up"),
        };
    }
    match lookup(host.to_owned()).await {
        Ok(found) if !found.is_empty() => pass(NAME, format!("{host} has {} addresses", found.len())),
        Ok(_) => fail(NAME, format!("{host} has no address: check the name and its zone")),
        Err(error) => {
            fail(NAME, format!("{host} cannot be looked up ({error}): check resolv.conf, or set `resolvers`"))
        }
    }
}

/// Asks for keys: shows name, connection, TLS, token and revocation in one.
async fn ask_the_collector(link: &Link, host: &str) -> Vec<Finding> {
    let reached = |message: String| pass("collector", message);
    let answer = match link.get(KEYS_PATH, "", TIMEOUT).await {
        Ok(answer) => answer,
        Err(error) => {
            let help = format!(
                "{error}. Check that the collector runs, that a firewall lets {host} through, and `ca_file` or `pin` if its certificate is its own"
            );
            return vec![fail("collector", help)];
        }
    };
    match answer.read::<Keys>() {
        Ok(keys) => {
            vec![reached(format!("{host} answers")), pass("token", format!("accepted, {} day keys", keys.keys.len()))]
        }
        Err(LinkError::Stop(stop)) => vec![reached(format!("{host} answers")), fail("token", stop.to_string())],
        // Signature and probe were found good by then; only that this start said no hello, which it should not.
        Err(LinkError::Refused { status: 401, message, .. }) if message.ends_with(HELLO_WANTED) => {
            vec![reached(format!("{host} answers")), pass("token", "accepted".to_owned())]
        }
        Err(LinkError::Refused { status: 401, message, .. }) => vec![
            reached(format!("{host} answers")),
            fail("token", format!("refused: {message}. Enrol this probe anew with `picket-collector probe add`")),
        ],
        Err(error) => vec![fail("collector", error.to_string())],
    }
}

fn clock_offset(clock: &CollectorClock) -> Finding {
    let Some(offset) = clock.offset_us() else {
        return Finding {
            name: "clock",
            state: State::NotMeasured,
            message: "the collector's time was not heard".to_owned(),
        };
    };
    let seconds = offset.unsigned_abs() / 1_000_000;
    let message = format!("{} ms off the collector's", offset / 1000);
    let within = seconds < MAX_SKEW_SECONDS.unsigned_abs() / 2;
    judged("clock", within, message, "set this machine's clock by NTP (the probe corrects for it meanwhile)")
}

async fn own_network(settings: &Settings, env: checks::Env) -> Vec<Finding> {
    let health = SelfChecker::new(settings.references.clone(), asking(env)).close().await;
    [("ipv4", health.ipv4), ("ipv6", health.ipv6), ("dns", health.dns), ("reference_targets", health.overall)]
        .into_iter()
        .map(|(name, health)| match health {
            SelfCheck::Good => pass(name, "reference targets answer".to_owned()),
            SelfCheck::Bad => fail(
                name,
                "fewer than 60 % of the reference targets answer: check this machine's network, or `self_check.targets` (private ones need `egress.allow`)".to_owned(),
            ),
            SelfCheck::Unverified => Finding {
                name,
                state: State::NotMeasured,
                message: "no reference target stands for it: set `self_check.targets`".to_owned(),
            },
        })
        .collect()
}

fn pass(name: &'static str, message: String) -> Finding {
    Finding { name, state: State::Pass, message }
}

fn fail(name: &'static str, message: String) -> Finding {
    Finding { name, state: State::Fail, message }
}

fn judged(name: &'static str, good: bool, seen: String, help: &str) -> Finding {
    if good { pass(name, seen) } else { fail(name, format!("{seen}; {help}")) }
}

fn print(findings: &[Finding], json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let ok = findings.iter().all(|finding| finding.state != State::Fail);
        return writeln!(out, "{}", serde_json::json!({ "ok": ok, "findings": findings }));
    }
    for finding in findings {
        let state = match finding.state {
            State::Pass => "ok",
            State::Fail => "FAIL",
            State::NotMeasured => "-",
        };
        writeln!(out, "{state:<5} {:<18} {}", finding.name, finding.message)?;
    }
    Ok(())
}
