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
            let found = look(&held, &check).await;
            let was = held.healthy.swap(found.is_ok(), Ordering::Relaxed);
            match found {
                Ok(()) if !was => {
                    tracing::warn!(server = %held.base, healthy = true, "the health of a server changed");
                }
                Err(why) if was => {
                    tracing::warn!(server = %held.base, healthy = false, why, "the health of a server changed");
                }
                _ => {}
            }
            // The task must not keep alive what it checks.
            drop(held);
            tokio::time::sleep(check.interval).await;
        }
    });
}

/// Any answer below 500 in time is healthy: a login page is as good a sign of life as a 200. Otherwise says what it got.
async fn look(server: &Server, check: &HealthCheck) -> Result<(), String> {
    let uri = server.uri(&check.path).map_err(|error| error.to_string())?;
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let request = Request::get(uri).header("user-agent", "portcullis-health").body(body);
    let asked = server.send(request.map_err(|error| error.to_string())?);
    match tokio::time::timeout(check.timeout, asked).await {
        Ok(Ok(answer)) if !answer.status().is_server_error() => Ok(()),
        Ok(Ok(answer)) => Err(format!("it answers {}", answer.status())),
        Ok(Err(unanswered)) => Err(unanswered.why),
        Err(_) => Err(format!("no answer within {:?}", check.timeout)),
    }
}
