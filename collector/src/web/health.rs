//! Whether this collector works: it can ask its database.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Site;
use super::error::Problem;
use crate::store::assignments;

/// `GET /healthz`: 200 when the database answers within a second.
pub async fn get_health(State(site): State<Site>) -> Response {
    let asked = async {
        let mut conn = site.pools.intake().await?;
        assignments::version(&mut conn).await
    };
    match tokio::time::timeout(Duration::from_secs(1), asked).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n").into_response(),
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer").into_response(),
    }
}
