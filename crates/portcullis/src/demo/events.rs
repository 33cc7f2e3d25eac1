//! Server-sent events: every new task, and a tick each second.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, interval};

use super::Application;
use super::refused::Refused;

const TICK: Duration = Duration::from_secs(1);
/// Open streams; each holds a connection and a place in the news.
const LISTENERS_MAX: usize = 64;

pub(super) async fn stream(
    State(application): State<Application>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    if application.news.receiver_count() >= LISTENERS_MAX {
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many listeners; try again later"));
    }
    let stopping = application.stopping.clone();
    let news = application.news.subscribe();
    let listener = Listener { application, stopping, news, ticks: interval(TICK), ticked: 0 };
    Ok(Sse::new(stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    })))
}

struct Listener {
    application: Application,
    stopping: watch::Receiver<bool>,
    news: broadcast::Receiver<String>,
    ticks: Interval,
    ticked: u64,
}

impl Listener {
    /// The next event; `None` once the application stops.
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            _ = self.stopping.wait_for(|stopped| *stopped) => None,
            news = self.news.recv() => match news {
                Ok(news) => Some(Event::default().data(news)),
                Err(RecvError::Lagged(missed)) => {
                    Some(Event::default().data(json!({ "kind": "missed", "count": missed }).to_string()))
                }
                Err(RecvError::Closed) => None,
            },
            _ = self.ticks.tick() => {
                self.ticked += 1;
                let tasks = self.application.store().tasks().count();
                let tick = json!({ "kind": "tick", "number": self.ticked, "tasks": tasks });
                Some(Event::default().data(tick.to_string()))
            }
        }
    }
}
