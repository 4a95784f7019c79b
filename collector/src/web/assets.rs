//! Files that pages need: compiled in, compressed once, cached by browsers for ever under the hash of their content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::error::Problem;

struct Asset {
    name: &'static str,
    kind: &'static str,
    plain: &'static [u8],
}

const ASSETS: &[Asset] = &[
    Asset { name: "picket.css", kind: "text/css; charset=utf-8", plain: include_bytes!("../../assets/picket.css") },
    Asset { name: "live.js", kind: "text/javascript; charset=utf-8", plain: include_bytes!("../../assets/live.js") },
    Asset { name: "chart.js", kind: "text/javascript; charset=utf-8", plain: include_bytes!("../../assets/chart.js") },
    Asset {
        name: "passkeys.js",
        kind: "text/javascript; charset=utf-8",
        plain: include_bytes!("../../assets/passkeys.js"),
    },
    Asset {
        name: "uplot.js",
        kind: "text/javascript; charset=utf-8",
        plain: include_bytes!("../../assets/vendor/uplot-1.6.32.iife.min.js"),
    },
    Asset { name: "icon.svg", kind: "image/svg+xml", plain: include_bytes!("../../assets/icon.svg") },
];

struct Ready {
    asset: &'static Asset,
    url: String,
    packed: Option<Bytes>,
}

static READY: LazyLock<Vec<Ready>> = LazyLock::new(|| ASSETS.iter().map(ready).collect());

fn ready(asset: &'static Asset) -> Ready {
    let digest = picket_shared::signing::body_hash(asset.plain);
    let url = format!("/assets/{}/{}", digest.get(..16).unwrap_or_default(), asset.name);
    let packed = zstd::bulk::compress(asset.plain, 19).ok().filter(|packed| packed.len() < asset.plain.len());
    Ready { asset, url, packed: packed.map(Bytes::from) }
}

/// Where a page finds a file; empty if there is none of that name.
pub fn url(name: &str) -> &'static str {
    READY.iter().find(|ready| ready.asset.name == name).map_or("", |ready| ready.url.as_str())
}

/// `GET /assets/{hash}/{name}`.
pub async fn get_asset(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let asked = format!("/assets/{hash}/{name}");
    let Some(ready) = READY.iter().find(|ready| ready.url == asked) else {
        return Problem::new(StatusCode::NOT_FOUND, "there is no such file: reload the page").into_response();
    };
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let packed = ready.packed.clone().filter(|_| accepts.split(',').any(|one| one.trim() == "zstd"));
    let mut response = match &packed {
        Some(packed) => packed.clone().into_response(),
        None => Bytes::from_static(ready.asset.plain).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ready.asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if packed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    }
    response
}
