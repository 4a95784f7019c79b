//! What templates call: texts of the catalogue, and where files are.
#![expect(unreachable_pub, reason = "the macro makes more public than it is asked to")]

use askama::Values;

use crate::web::{assets, texts};

/// The text of a key.
#[askama::filter_fn]
pub fn t(key: &str, _: &dyn Values) -> askama::Result<String> {
    Ok(texts::known(key).unwrap_or(key).to_owned())
}

/// The text of a key with a value in it.
#[askama::filter_fn]
pub fn with<T: std::fmt::Display>(key: &str, _: &dyn Values, value: T) -> askama::Result<String> {
    Ok(texts::known(key).unwrap_or(key).replacen("{}", &value.to_string(), 1))
}

/// The address of a file.
#[askama::filter_fn]
pub fn asset(name: &str, _: &dyn Values) -> askama::Result<&'static str> {
    Ok(assets::url(name))
}
