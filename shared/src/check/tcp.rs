//! The tcp kind: one connection.

use serde::{Deserialize, Serialize};

use super::{InvalidSpec, host_port, validate_host, validate_port};

/// One TCP check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSpec {
    /// Where to connect: a name or an address.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
}

impl TcpSpec {
    pub(super) fn target(&self) -> String {
        host_port(&self.host, self.port)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSpec> {
        validate_host("host", &self.host)?;
        validate_port("port", self.port)
    }
}
