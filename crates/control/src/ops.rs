//! The ops listener: `/healthz`, `/readyz`, `/metrics`. For probes and scrapers, never for the public.
//!
//! Answers tell whether the node lives and serves; they name applications, so the listener belongs on loopback or a
//! private network.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use portcullis_contract::ports::{Exposition, Readiness};
use tokio::net::TcpListener;

/// The content type of OpenMetrics text, version 1.0.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Ops {
    readiness: Arc<dyn Readiness>,
    exposition: Arc<dyn Exposition>,
}

/// Serves the ops listener until `stop`.
pub async fn serve(
    listener: TcpListener,
    readiness: Arc<dyn Readiness>,
    exposition: Arc<dyn Exposition>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Ops { readiness, exposition });
    axum::serve(listener, routes).with_graceful_shutdown(stop).await
}

/// The process lives.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The node can serve, or what keeps it from that, one obstacle a line. Remarks follow.
async fn readyz(State(ops): State<Ops>) -> Response {
    let mut lines = ops.readiness.obstacles();
    let status = if lines.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if lines.is_empty() {
        lines.push("ready".to_owned());
    }
    lines.extend(ops.readiness.remarks());
    let mut text = lines.join("\n");
    text.push('\n');
    (status, text).into_response()
}

async fn metrics(State(ops): State<Ops>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], ops.exposition.text()).into_response()
}
