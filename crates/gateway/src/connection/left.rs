//! The orderly end of an HTTP/1.1 connection that the HTTP library leaves to others.
//!
//! After any request with `Upgrade`, whatever it names and whatever the answer is, the library takes it that the protocol
//! may have been switched: when the connection is done, it is handed over instead of being shut down. Dropped there, it
//! would be reset, and the last answer could be lost with it; over TLS its end would look like an attacker's cut.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::Request;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// What the library will hand over when the connection is done, if it does.
#[derive(Debug, Clone, Default)]
pub(super) struct Left(Arc<Mutex<Option<OnUpgrade>>>);

impl Left {
    fn lock(&self) -> MutexGuard<'_, Option<OnUpgrade>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come: the connection is left to the last one that names another protocol.
    pub(super) fn by<B>(&self, request: &Request<B>) {
        if let Some(upgrade) = request.extensions().get::<OnUpgrade>() {
            *self.lock() = Some(upgrade.clone());
        }
    }

    /// The protocol is switched: the end of the connection is no business of HTTP any more.
    pub(super) fn to_another_protocol(&self) {
        *self.lock() = None;
    }

    /// Shuts the connection down that is done, and that nobody holds any more, if it was left to us.
    pub(super) async fn end(self, cut: &CancellationToken) {
        let Some(upgrade) = self.lock().take() else { return };
        let ending = async {
            if let Ok(connection) = upgrade.await {
                // Whether it worked makes no difference any more.
                let _ = TokioIo::new(connection).shutdown().await;
            }
        };
        tokio::select! {
            () = ending => {}
            () = cut.cancelled() => {}
        }
    }
}
