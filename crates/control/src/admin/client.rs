//! The other end of the admin socket, for commands, and the admin API as they ask it, also while no node runs.

use std::io;
use std::path::Path;

use axum::Router;
use axum::body::{Body, HttpBody};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use portcullis_contract::admin::{Actor, Erased, LocalUser, Search};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tokio::net::UnixStream;
use tower_service::Service;

use super::{ERASE, Erase, SEARCH};

/// Longest answer that is no search's, in bytes: a page of 200 entries of the ledger, each opened.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Longest line of a search's answer, in bytes: an entry that is opened is not longer than six times its sealed form.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A connection to a node that runs.
pub struct AdminClient {
    sender: SendRequest<Full<Bytes>>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// The node said why not.
    #[error("{0}")]
    Refused(String),
    /// The connection broke, or the answer has no known form.
    #[error("the node's answer: {0}")]
    Broken(String),
}

fn broken(why: impl ToString) -> CallError {
    CallError::Broken(why.to_string())
}

impl AdminClient {
    /// Connects. Nobody listens there when the node does not run.
    pub async fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            // What breaks is seen by the one request on it.
            let _ = connection.await;
        });
        Ok(Self { sender })
    }

    /// Searches the ledger; `each` gets one entry after the other, and says whether it wants more.
    pub async fn search(
        mut self,
        search: &Search,
        mut each: impl FnMut(&Value) -> bool,
    ) -> Result<(), CallError> {
        let mut answer = self.ask(SEARCH, search).await?;
        let mut held = Vec::new();
        while let Some(frame) = answer.frame().await {
            let Ok(piece) = frame.map_err(broken)?.into_data() else { continue };
            held.extend_from_slice(&piece);
            while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = held.drain(..=end).collect();
                let entry: Value = serde_json::from_slice(&line).map_err(broken)?;
                if let Some(why) = entry.get("error").and_then(Value::as_str) {
                    return Err(CallError::Refused(why.to_owned()));
                }
                if !each(&entry) {
                    return Ok(());
                }
            }
            if held.len() > LINE_BYTES_MAX {
                return Err(broken("a line is too long"));
            }
        }
        if held.is_empty() { Ok(()) } else { Err(broken("it was cut off")) }
    }

    /// Destroys a subject's key.
    pub async fn erase(mut self, subject: &str) -> Result<Erased, CallError> {
        let answer = self.ask(ERASE, &Erase { subject: subject.into() }).await?;
        let bytes = Limited::new(answer, ANSWER_BYTES_MAX).collect().await.map_err(broken)?.to_bytes();
        serde_json::from_slice(&bytes).map_err(broken)
    }

    async fn ask(&mut self, path: &str, question: &impl Serialize) -> Result<Incoming, CallError> {
        let body = serde_json::to_vec(question).map_err(broken)?;
        let request = Request::post(path)
            .header("host", "portcullis")
            .header("content-type", "application/json")
            .body(Full::from(body))
            .map_err(broken)?;
        let answer = self.sender.send_request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::OK {
            return Ok(body);
        }
        let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(broken)?.to_bytes();
        Err(CallError::Refused(reason(head.status, &bytes)))
    }
}

/// The admin API, of a node that runs or of one that is opened for a command.
pub enum ApiClient {
    /// Through the socket.
    Socket(AdminClient),
    /// In this process.
    Here {
        /// The API.
        api: Router,
        /// Who asks.
        by: LocalUser,
    },
}

impl ApiClient {
    /// Asks; an answer without a body is null.
    pub async fn call(
        &mut self,
        method: Method,
        target: &str,
        question: Option<&Value>,
    ) -> Result<Value, CallError> {
        let body = question.map(serde_json::to_vec).transpose().map_err(broken)?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "portcullis")
            .header(header::CONTENT_TYPE, "application/json");
        let (status, bytes) = match self {
            Self::Socket(client) => {
                client.sender.ready().await.map_err(broken)?;
                let request = request.body(Full::from(body)).map_err(broken)?;
                let answer = client.sender.send_request(request).await.map_err(broken)?;
                collected(answer).await?
            }
            Self::Here { api, by } => {
                let request = request.extension(Actor::Local(*by)).body(Body::from(body)).map_err(broken)?;
                let Ok(answer) = api.call(request).await;
                collected(answer).await?
            }
        };
        if !status.is_success() {
            return Err(CallError::Refused(reason(status, &bytes)));
        }
        if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes).map_err(broken) }
    }
}

/// An answer, once all of it is there.
async fn collected<B>(answer: Response<B>) -> Result<(StatusCode, Bytes), CallError>
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = answer.into_parts();
    let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(broken)?.to_bytes();
    Ok((head.status, bytes))
}

/// Why something was refused, in the node's words.
fn reason(status: StatusCode, bytes: &[u8]) -> String {
    let said: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let why = said.get("detail").or_else(|| said.get("error")).and_then(Value::as_str);
    let mut why = why.map_or_else(|| status.to_string(), str::to_owned);
    for mistake in said.get("mistakes").and_then(Value::as_array).into_iter().flatten() {
        why.push_str("\n  ");
        why.push_str(mistake.as_str().unwrap_or_default());
    }
    why
}
