//! Active health checks: one small task per server, which ends when nothing refers to the server any more.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use portcullis_contract::snapshot::HealthCheck;

use crate::upstream::Server;

/// Begins to check `server` for as long as a Snapshot refers to it.
pub(crate) fn watch(server: &Arc<Server>, check: HealthCheck) {
    let server = Arc::downgrade(server);
    tokio::spawn(async move {
        while let Some(held) = Weak::upgrade(&server) {
            let well = is_well(&held, &check).await;
            let was = held.healthy.swap(well, Ordering::Relaxed);
            if was != well {
                tracing::warn!(server = %held.base, healthy = well, "the health of a server changed");
            }
            // The task must not keep alive what it checks.
            drop(held);
            tokio::time::sleep(check.interval).await;
        }
    });
}

/// Any answer below 500 in time is healthy: a login page is as good a sign of life as a 200.
async fn is_well(server: &Server, check: &HealthCheck) -> bool {
    let Ok(uri) = server.uri(&check.path) else { return false };
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let Ok(request) = Request::get(uri).header("user-agent", "portcullis-health").body(body) else {
        return false;
    };
    let asked = tokio::time::timeout(check.timeout, server.client.request(request)).await;
    matches!(asked, Ok(Ok(answer)) if !answer.status().is_server_error())
}
