//! Requests of known people and programs that lack a right are in the audit log: once an hour for each route of each.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::Porter;
use crate::domain::access::Right;
use crate::store::audit::{self, Author};

/// The same is not said again for so long: a program that tries on writes no log full.
const AGAIN: Duration = Duration::from_secs(3600);

impl Porter {
    /// Notes that somebody asked for a route without the right. The answer does not wait on whether that succeeded: it is refused anyway.
    pub async fn note_refusal(&self, by: &Author, route: &str, right: Right, now: Timestamp) {
        let noted = async {
            let mut auth = self.pools.auth().await?;
            let entry = by.did("access.refuse", route, json!({ "right": right.as_str() }), now);
            audit::append_once(&mut auth, &entry, now - AGAIN).await?;
            auth.commit().await
        };
        if let Err(error) = noted.await {
            tracing::error!("A refusal could not be noted: {error}");
        }
    }
}
