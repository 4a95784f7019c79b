//! Server-sent events (WHATWG HTML, section 9.2): tell open pages when to look again, and nothing else.
//!
//! A page then asks for itself once more, so that it shows what its own request may see.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::wake::Bell;
use crate::web::Site;
use crate::web::extract::user::User;

/// Without a bell, pages look so often: outcomes come without one.
const PERIOD: Duration = Duration::from_secs(5);
/// Two looks are never nearer than this, however much happens.
const LEAST: Duration = Duration::from_millis(700);
/// A stream ends after so many looks; the browser opens another, and whether it is still signed in is asked anew.
const LOOKS: usize = 200;

/// `GET /events`.
pub async fn get_events(State(site): State<Site>, _: User) -> Response {
    let (tell, told) = mpsc::channel::<Result<Event, Infallible>>(1);
    tokio::spawn(async move {
        for _ in 0..LOOKS {
            tokio::select! {
                () = site.bells.wait(Bell::Pages, PERIOD) => {}
                () = site.stop.cancelled() => return,
                () = tell.closed() => return,
            }
            if tell.send(Ok(Event::default().event("look").data("1"))).await.is_err() {
                return;
            }
            tokio::time::sleep(LEAST).await;
        }
    });
    Sse::new(ReceiverStream::new(told)).into_response()
}
