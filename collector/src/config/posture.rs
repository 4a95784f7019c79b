//! `[posture]`: who may see whether promises are kept.

use serde::{Deserialize, Serialize};

/// Who may see the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustPage {
    /// Nobody: the command and the administration show it.
    Off,
    /// Members of every organization, at `/posture`.
    #[default]
    Members,
    /// Members, and who holds a link that ends (`picket-collector posture link`).
    Link,
    /// Everybody, at `/trust`.
    Public,
}

/// Who may see whether promises are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Posture {
    /// Who may see the page. It shows neither versions nor addresses nor names of stores, whoever looks.
    pub page: TrustPage,
}
