//! The demo application: a small real upstream that stands for the applications which users put behind the gate.
//!
//! It keeps everything in memory, within the bounds named in [`store`], and has no protection of its own: whoever
//! asks may do anything, a crash shows its stack trace, answers name the software. That is the gate's part, and the
//! home page lets a new user see it. Read next: [`api`] for what a program calls, [`page`] for what a browser does,
//! [`visitor`] for who is there.

mod api;
mod events;
mod files;
mod page;
mod refused;
mod store;
mod visitor;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use store::Store;

/// Largest body that is read as JSON or as a form, in bytes; files have their own bound.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// News that a slow listener may lag behind before it misses some.
const NEWS_KEPT_MAX: usize = 64;
/// How long open requests may go on after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves the demo application on `listener` until `shutdown` is done; it links to the `portal` of the gate before it.
pub(crate) async fn serve(
    listener: TcpListener,
    portal: &str,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let mut asked = stopping.clone();
    let server = axum::serve(listener, router(portal, stopping)).with_graceful_shutdown(async move {
        shutdown.await;
        let _ = stop.send(true);
    });
    let drained = async {
        let _ = asked.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server => ended.context("the demo application failed"),
        () = drained => Ok(()),
    }
}

/// All routes over an empty store; streams end when `stopping` turns true.
fn router(portal: &str, stopping: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/", get(page::home))
        .route("/assets/{name}", get(page::asset))
        .route("/private", get(visitor::private))
        .route("/admin", get(visitor::administrators))
        .route("/contact", post(page::contact))
        .route("/healthz", get(page::health))
        .route("/api/tasks", get(api::list_tasks).post(api::add_task))
        .route("/api/tasks/{id}", delete(api::remove_task))
        .route("/api/agents", get(api::list_agents))
        .route("/api/agents/{id}/run", post(api::run_agent))
        .route("/api/detections", get(api::list_detections).post(api::add_detection))
        .route("/api/analytics/query", post(api::query_analytics))
        .route("/api/whoami", get(api::whoami))
        .route("/api/crash", get(api::crash))
        .route("/api/events", get(events::stream))
        .route("/api/files", get(files::list))
        .route("/api/files/{name}", get(files::download).put(files::upload))
        .fallback(refused::no_such_page)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Application::new(portal, stopping))
}

/// What all handlers share.
#[derive(Clone)]
struct Application {
    /// The origin of the gate's portal.
    portal: Arc<str>,
    store: Arc<Mutex<Store>>,
    news: broadcast::Sender<String>,
    stopping: watch::Receiver<bool>,
}

impl Application {
    fn new(portal: &str, stopping: watch::Receiver<bool>) -> Self {
        let news = broadcast::channel(NEWS_KEPT_MAX).0;
        Self { portal: portal.into(), store: Arc::default(), news, stopping }
    }

    /// The store, which no handler holds across an `await`.
    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while it was held leaves it usable: every change is made in one step.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
