//! An ordinary client of a gate whose certificate comes from the test's CA.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection whose certificate the CA vouches for.
#[derive(Debug)]
pub struct Visit {
    stream: TlsStream<TcpStream>,
    name: String,
}

impl Visit {
    pub(super) async fn begin(address: SocketAddr, name: &str, root_pem: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(root_pem.as_bytes()).expect("our own root");
        roots.add(root).expect("our own root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of the provider")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
        Ok(Self { stream: stream.map_err(|error| error.to_string())?, name: name.to_owned() })
    }

    /// The certificate that was shown, in DER.
    pub fn certificate(&self) -> Vec<u8> {
        let chain = self.stream.get_ref().1.peer_certificates().expect("the handshake is over");
        chain[0].to_vec()
    }

    /// Asks for `path`: the status and the body of the answer, which must have a length.
    pub async fn get(&mut self, path: &str) -> Result<(u16, String), String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.name);
        self.stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut received = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&received);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.and_then(|length| length.parse().ok()).ok_or("no length")?;
                if body.len() >= length {
                    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                    return Ok((status.ok_or("no status")?, body.to_owned()));
                }
            }
            match self.stream.read_buf(&mut received).await {
                Ok(0) => return Err("the connection ended".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
