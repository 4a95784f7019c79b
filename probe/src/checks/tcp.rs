//! The tcp kind: a connection opens, and is closed again.

use picket_shared::check::TcpSpec;
use picket_shared::outcome::Failure;

use super::deadline::Deadline;
use super::reach::{Trail, host_of, reach};
use super::{Env, Found};

/// Connects to the target.
pub(super) async fn run(spec: &TcpSpec, env: &Env, deadline: Deadline) -> Found {
    let mut trail = Trail::start();
    let result = open(spec, env, deadline, &mut trail).await;
    Found::from_trail(trail, result)
}

async fn open(spec: &TcpSpec, env: &Env, deadline: Deadline, trail: &mut Trail) -> Result<(), Failure> {
    let host = host_of(&spec.host)?;
    reach(&host, spec.port, env, deadline, trail).await.map(drop)
}
