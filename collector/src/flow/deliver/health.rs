//! Whether the messages to a channel arrive: one that does not is told through the others, and when it does again.

use std::time::Duration;

use picket_shared::ids::ChannelId;

use crate::domain::outage::{ChannelFacts, Notice, NoticeKind};
use crate::store::deliveries::{Attempt, Leased, Tried};
use crate::store::{StoreError, Worker, channel_health};

/// What is tried in vain for so long does not arrive.
const PATIENCE: Duration = Duration::from_secs(600);

/// Notes what a try says of its channel. What only tries a channel out says nothing: whoever asked for it sees the answer.
///
/// # Errors
/// When the database fails.
pub(super) async fn note(conn: &mut Worker, leased: &Leased, tried: &Tried) -> Result<(), StoreError> {
    if leased.about.is_none() {
        return Ok(());
    }
    let failing = match tried.attempt {
        Attempt::Sent => false,
        Attempt::Failed => true,
        Attempt::Retry { .. } if tried.at.since(leased.asked_at) >= PATIENCE => true,
        Attempt::Retry { .. } => return Ok(()),
    };
    let facts = |why: &str| ChannelFacts {
        id: ChannelId(leased.channel.id.0),
        name: leased.channel.name.clone(),
        sort: leased.channel.kind.clone(),
        why: why.to_owned(),
    };
    let kind = match failing {
        true => NoticeKind::ChannelFailing { channel: facts(&tried.answer) },
        false => NoticeKind::ChannelWorks { channel: facts("") },
    };
    channel_health::note(conn, leased.channel.key, failing, &Notice::of_channel(kind, tried.at)).await
}
