//! How many requests are worked on at once: beyond that, callers come again later instead of filling memory.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::web::error::Problem;

/// Lets a request through while there is room. Rates of single probes are kept by `flow::verify::limits`.
pub async fn admit(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match room.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            let mut response =
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once").into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
    }
}
