//! Takes a PROXY header off a socket, and not one byte of what follows.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Fault, HEADER_BYTES_MAX, Read, Source, read};

/// Why a connection has no header.
#[derive(Debug, Error)]
pub(crate) enum NoHeader {
    /// Its bytes are none.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It was not whole in time.
    #[error("no PROXY header within {0:?}")]
    Late(Duration),
    /// The connection ended before.
    #[error("the connection ended before its PROXY header")]
    Closed,
    /// The socket failed.
    #[error("the connection broke before its PROXY header: {0}")]
    Io(#[from] io::Error),
}

/// Reads the header. Bytes are looked at before they are taken: while there is no verdict all of them are the header's.
pub(crate) async fn receive(stream: &mut TcpStream, patience: Duration) -> Result<Source, NoHeader> {
    timeout(patience, receive_all(stream)).await.map_err(|_| NoHeader::Late(patience))?
}

async fn receive_all(stream: &mut TcpStream) -> Result<Source, NoHeader> {
    let (mut buffer, mut taken) = ([0; HEADER_BYTES_MAX], 0);
    loop {
        let seen = stream.peek(buffer.get_mut(taken..).unwrap_or_default()).await?;
        if seen == 0 {
            return Err(NoHeader::Closed);
        }
        let verdict = read(buffer.get(..taken + seen).unwrap_or_default())?;
        let whole = match verdict {
            Read::More => taken + seen,
            Read::Header { bytes, .. } => bytes,
        };
        stream.read_exact(buffer.get_mut(taken..whole).unwrap_or_default()).await?;
        taken = whole;
        if let Read::Header { source, .. } = verdict {
            return Ok(source);
        }
    }
}
