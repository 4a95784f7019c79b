//! Files for whoever asks to keep: whole, or piece by piece, as fast as they are taken.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_stream::wrappers::ReceiverStream;

use crate::store::StoreError;

/// What a calendar is announced as.
pub const CALENDAR: &str = "text/calendar; charset=utf-8; method=PUBLISH";

/// Pieces of a file; one that failed breaks it off, so that nobody takes what is there for the whole.
pub type Pieces = Sender<Result<Bytes, StoreError>>;

/// Where pieces are put, and where they come out.
pub fn pieces() -> (Pieces, Receiver<Result<Bytes, StoreError>>) {
    mpsc::channel(2)
}

/// An answer that is kept as a file of this name.
pub fn attachment(kind: &'static str, name: &str, pieces: Receiver<Result<Bytes, StoreError>>) -> Response {
    kept(kind, name, Body::from_stream(ReceiverStream::new(pieces)))
}

/// The same of what is there as a whole.
pub fn whole(kind: &'static str, name: &str, text: String) -> Response {
    kept(kind, name, Body::from(text))
}

fn kept(kind: &'static str, name: &str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(file) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, file);
    }
    response
}
