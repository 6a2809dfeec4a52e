//! A server that speaks TLS, and clients of it.

use std::sync::Arc;

use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use todoki::config::Serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::{Authority, Issued};
use crate::harness::{Answer, Client, TOKEN, TestServer, within};

pub(crate) type SecureClient = Client<TlsStream<TcpStream>>;

pub(crate) struct SecureServer {
    pub(crate) server: TestServer,
    pub(crate) authority: Authority,
    /// Certificate and key are here.
    pub(crate) files: TempDir,
}

impl SecureServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Serve)) -> Self {
        let authority = Authority::new("it");
        let files = tempfile::tempdir().unwrap();
        let [certificate, key] = Issued::good(&authority).put(files.path());
        let server = TestServer::start_with(|config| {
            (config.tls_cert, config.tls_key) = (Some(certificate), Some(key));
            change(config);
        })
        .await;
        Self {
            server,
            authority,
            files,
        }
    }

    pub(crate) fn trusting(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.pem().as_bytes();
        roots
            .add(CertificateDer::from_pem_slice(pem).unwrap())
            .unwrap();
        todoki::tls::trusting(roots)
    }

    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_with(self.trusting()).await.unwrap()
    }

    pub(crate) async fn connect_with(
        &self,
        config: ClientConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.shake(self.server.connect().await, config).await
    }

    pub(crate) async fn shake(
        &self,
        stream: TcpStream,
        config: ClientConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        within(connector.connect(name, stream)).await
    }

    /// Sends a request, and reads until the server ends the stream, which it must do properly.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    pub(crate) async fn get(&self, target: &str, headers: &str) -> Answer {
        let request = format!(
            "GET {target} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n{headers}\r\n"
        );
        Answer::parse(&self.raw(request).await)
    }

    pub(crate) async fn emit(&self, drafts: &str) {
        let length = drafts.len();
        let answer = self
            .raw(format!(
                "POST /api/event-bus/emit HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {TOKEN}\r\n\
                 Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{drafts}"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    pub(crate) async fn subscribe(&self, query: &str) -> SecureClient {
        let headers = format!("Authorization: Bearer {TOKEN}\r\n");
        self.upgrade_on(self.connect().await, query, &headers).await
    }

    pub(crate) async fn upgrade_on(
        &self,
        stream: TlsStream<TcpStream>,
        query: &str,
        headers: &str,
    ) -> SecureClient {
        let client = self.server.upgrade_on(stream, query, headers).await;
        client.unwrap_or_else(|answer| panic!("{} {}", answer.status, answer.body))
    }
}

/// The certificate that the other side has shown.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> Bytes {
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    Bytes::copy_from_slice(&certificates[0])
}
