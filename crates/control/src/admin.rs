//! The local admin socket: commands of this machine reach the one process that writes the ledger. HTTP/1.1 over a Unix socket.
//!
//! The system says who connects ([`peer_cred`](UnixStream::peer_cred)): the node's own user and root are let in, others
//! are turned away before they can say anything. What is asked is behind the port [`Administration`], and behind the admin API
//! ([`crate::api`]), which this is one way into.

mod client;
mod connections;
mod listener;

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use portcullis_contract::admin::{Actor, AdminProblem, LocalUser, Search};
use portcullis_contract::ports::{Administration, Reading};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::spawn_blocking;

pub use client::{AdminClient, ApiClient, CallError};
pub use listener::serve_admin;

/// Where the ledger is searched.
const SEARCH: &str = "/v1/ledger/search";
/// Where subjects are erased.
const ERASE: &str = "/v1/subjects/erase";
/// Longest question, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Questions that are answered at once.
const AT_ONCE: usize = 8;
/// Pieces of an answer that wait for a slow reader.
const PIECES: usize = 4;
/// How often a search that follows looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whom to erase.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Erase {
    subject: Box<str>,
}

#[derive(Clone)]
struct Admin {
    administration: Arc<dyn Administration>,
    rooms: Arc<Semaphore>,
}

/// The socket, bound, for the node's own user alone.
pub struct AdminSocket {
    listener: UnixListener,
    own: u32,
}

impl AdminSocket {
    /// Binds the socket in the place of one that an earlier process has left. Whoever calls this holds the lock of the state
    /// directory, so nobody else listens there. `own` is the user of this process.
    pub fn bind(path: &Path, own: u32) -> io::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Ok(left) if left.file_type().is_socket() => std::fs::remove_file(path)?,
            Ok(_) => return Err(io::Error::other("there is something else of this name")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, own })
    }

    /// Answers until `stop`.
    pub async fn serve(
        self,
        administration: Arc<dyn Administration>,
        api: Router,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let rooms = Arc::new(Semaphore::new(AT_ONCE));
        let routes = Router::new()
            .route(SEARCH, post(search))
            .route(ERASE, post(erase))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Admin { administration, rooms })
            .merge(api.layer(map_request(identify)))
            .into_make_service_with_connect_info::<Peer>();
        tokio::select! {
            served = std::future::IntoFuture::into_future(axum::serve(self, routes)) => served,
            // Answers that follow the ledger never end by themselves.
            () = stop => Ok(()),
        }
    }
}

/// Who is connected.
#[derive(Debug, Clone, Copy)]
struct Peer(LocalUser);

impl Listener for AdminSocket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            match stream.peer_cred() {
                Ok(peer) if may_enter(peer.uid(), self.own) => return (stream, address),
                Ok(peer) => {
                    tracing::warn!(uid = peer.uid(), "somebody else was turned away from the admin socket")
                }
                Err(error) => {
                    tracing::warn!(%error, "nobody knows who came to the admin socket: turned away")
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The node's own user, and root.
const fn may_enter(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

impl Connected<IncomingStream<'_, AdminSocket>> for Peer {
    fn connect_info(stream: IncomingStream<'_, AdminSocket>) -> Self {
        // It was asked once already, or the stream would not be here.
        Self(LocalUser(stream.io().peer_cred().map_or(u32::MAX, |peer| peer.uid())))
    }
}

/// Says to the API who is connected.
async fn identify(ConnectInfo(Peer(user)): ConnectInfo<Peer>, mut request: Request) -> Request {
    request.extensions_mut().insert(Actor::Local(user));
    request
}

impl Admin {
    /// A place among those that are answered at once.
    fn room(&self) -> Result<OwnedSemaphorePermit, Box<Response>> {
        let room = Arc::clone(&self.rooms).try_acquire_owned();
        room.map_err(|_| {
            Box::new(refused(StatusCode::SERVICE_UNAVAILABLE, "too much is asked at once; try again"))
        })
    }
}

/// Entries of the ledger, one a line; a line that says `error` instead ends it.
async fn search(
    State(admin): State<Admin>,
    ConnectInfo(Peer(user)): ConnectInfo<Peer>,
    Json(wanted): Json<Search>,
) -> Response {
    let room = match admin.room() {
        Ok(room) => room,
        Err(refused) => return *refused,
    };
    let follow = wanted.follow;
    let begun = spawn_blocking(move || admin.administration.read(&Actor::Local(user), &wanted)).await;
    let reading = match begun {
        Ok(Ok(reading)) => reading,
        Ok(Err(AdminProblem(why))) => return refused(StatusCode::CONFLICT, &why),
        Err(_panic) => return refused(StatusCode::INTERNAL_SERVER_ERROR, "it broke; the log says where"),
    };
    let (pieces, given) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        give(reading, follow, &pieces).await;
        drop(room);
    });
    let pieces = futures_util::stream::unfold(given, |mut given| async move {
        let piece: Bytes = given.recv().await?;
        Some((Ok::<_, Infallible>(piece), given))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(pieces)).into_response()
}

/// Gives all that is found to whoever listens, as long as they do.
async fn give(mut reading: Box<dyn Reading>, follow: bool, pieces: &mpsc::Sender<Bytes>) {
    loop {
        let read = spawn_blocking(move || {
            let lines = reading.next_lines();
            (reading, lines)
        });
        let Ok((again, lines)) = read.await else { return };
        reading = again;
        let piece = match &lines {
            Ok(lines) => lines.iter().flat_map(|line| [line, "\n"]).collect::<String>(),
            Err(AdminProblem(why)) => format!("{}\n", json!({ "error": why })),
        };
        let is_over = lines.is_err() || !follow && piece.is_empty();
        if piece.is_empty() && !is_over {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = pieces.closed() => return,
            }
        } else if !piece.is_empty() && pieces.send(piece.into()).await.is_err() {
            return;
        }
        if is_over {
            return;
        }
    }
}

async fn erase(
    State(admin): State<Admin>,
    ConnectInfo(Peer(user)): ConnectInfo<Peer>,
    Json(Erase { subject }): Json<Erase>,
) -> Response {
    let _room = match admin.room() {
        Ok(room) => room,
        Err(refused) => return *refused,
    };
    match spawn_blocking(move || admin.administration.erase(user, &subject)).await {
        Ok(Ok(erased)) => Json(erased).into_response(),
        Ok(Err(AdminProblem(why))) => refused(StatusCode::CONFLICT, &why),
        Err(_panic) => refused(StatusCode::INTERNAL_SERVER_ERROR, "it broke; the log says where"),
    }
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_own_user_and_root_may_enter() {
        assert_eq!(
            [(1000, 1000), (0, 1000), (1001, 1000), (u32::MAX, 1000), (1000, 0)]
                .map(|(u, o)| may_enter(u, o)),
            [true, true, false, false, false]
        );
    }
}
