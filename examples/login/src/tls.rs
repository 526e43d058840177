//! https on localhost: a certificate that this process makes and keeps in memory, and TLS around the listener.

use std::error::Error;
use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{CertifiedKey, PublicKeyData as _, generate_simple_self_signed};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

/// A certificate for `localhost`, and its key.
pub(crate) struct Certificate {
    acceptor: TlsAcceptor,
    /// The SHA-256 of the public key, by which Chromium can be told to trust this certificate alone.
    pub(crate) hash: String,
}

impl Certificate {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
        let hash = Sha256::digest(signing_key.subject_public_key_info());
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.into()], key.into())?;
        Ok(Self {
            acceptor: Arc::new(config).into(),
            hash: BASE64_STANDARD.encode(hash),
        })
    }
}

/// Connections that have shaken hands.
pub(crate) struct TlsListener {
    address: SocketAddr,
    ready: Receiver<Connection>,
}

type Connection = (TlsStream<tokio::net::TcpStream>, SocketAddr);

impl TlsListener {
    /// Each connection shakes hands on a task of its own: one that does not begin holds no other up.
    pub(crate) fn new(mut listener: TcpListener, certificate: Certificate) -> io::Result<Self> {
        let (sender, ready) = channel(1);
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            loop {
                let (stream, from) = Listener::accept(&mut listener).await;
                let (handshake, sender) = (certificate.acceptor.accept(stream), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = handshake.await {
                        // The server may have stopped.
                        let _ = sender.send((stream, from)).await;
                    }
                });
            }
        });
        Ok(Self { address, ready })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<tokio::net::TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
