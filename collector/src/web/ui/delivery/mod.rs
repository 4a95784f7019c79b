//! Messages to channels: [`list`] what was sent and what was not, [`show`] one with every try.

pub mod list;
pub mod show;

use crate::store::read::deliveries::DeliveryRow;
use crate::web::texts::{known, text};
use crate::web::ui::shape::{self, Shape};

/// Where a message stands, as a shape with its word.
fn standing(row: &DeliveryRow) -> Shape {
    let (class, key) = match row.standing() {
        "sent" => ("up", "delivery.sent"),
        "delivered" => ("up", "delivery.delivered"),
        "failed" => ("down", "delivery.failed"),
        "undelivered" => ("down", "delivery.undelivered"),
        "superseded" => ("paused", "delivery.superseded"),
        _ if row.attempts > 0 => ("suspect", "delivery.retried"),
        _ => ("pending", "delivery.pending"),
    };
    Shape { word: text(key), ..shape::shape(class) }
}

/// What a message tells, in words.
fn told(row: &DeliveryRow) -> String {
    let what = known(&format!("delivery.told_{}", row.kind)).unwrap_or_else(|| text("delivery.told_other"));
    match &row.about {
        Some(about) => format!("{what}: {about}"),
        None => what.to_owned(),
    }
}
