//! A small HTTP/1.1 client that waits: for the few requests a command sends to a server that its user has named.
//!
//! Each request has a connection of its own, so none is ever sent twice because an idle one had been closed. `https` is
//! judged by the certificates of the system. It follows no redirect, knows no proxy and no cookie, and keeps nothing.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use hyper::http::uri::{Scheme, Uri};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use super::visible;

/// Where systems keep the certificates that they trust.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];
/// More of an answer is not read.
const MOST: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be asked.
    #[error("`{0}` is no address to ask: {1}")]
    Address(String, &'static str),
    /// Nobody there.
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, std::io::Error),
    /// The certificates of this system.
    #[error("no certificates to judge {0} by: {1}")]
    Roots(String, String),
    /// It took too long.
    #[error("{0} did not answer within {1} seconds")]
    Late(String, u64),
    /// The connection broke, or what came is no HTTP.
    #[error("{0} gave no answer that can be read: {1}")]
    Broken(String, String),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it is a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as a line for people: at most `most` characters of it, with what cannot be seen written out.
    pub fn text(&self, most: usize) -> String {
        let text: String = String::from_utf8_lossy(&self.body).trim().chars().take(most).collect();
        visible::line(&text).into_owned()
    }
}

/// A server to ask.
pub struct HttpClient {
    runtime: Runtime,
    host: String,
    port: u16,
    /// What stands before every path: `/mlflow` of `https://host/mlflow`.
    prefix: String,
    authority: HeaderValue,
    tls: Option<TlsConnector>,
    headers: HeaderMap,
    limit: Duration,
}

impl HttpClient {
    /// A client of `base`, such as `http://127.0.0.1:5000` or `https://host/mlflow`. `roots` is a PEM file of certificates
    /// to trust in place of the system's; a request may take `limit`.
    pub fn new(base: &str, roots: Option<&Path>, limit: Duration) -> Result<Self, HttpError> {
        let unusable = |why| HttpError::Address(base.to_owned(), why);
        let uri: Uri = base.parse().map_err(|_| unusable("write http://HOST:PORT or https://HOST"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(unusable("write http://HOST:PORT or https://HOST"));
        };
        if let Some((_, server)) = authority.as_str().rsplit_once('@') {
            // Without the password, which would end up in logs.
            let shown = format!("{scheme}://…@{server}");
            return Err(HttpError::Address(shown, "leave out what names a user"));
        }
        if uri.query().is_some() {
            return Err(unusable("leave out what follows `?`"));
        }
        let port = authority.port_u16().filter(|port| *port > 0);
        if port.is_none() && authority.as_str() != authority.host() {
            return Err(unusable("a port is a number from 1 to 65535"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (tls, usual) = match scheme {
            scheme if *scheme == Scheme::HTTPS => (Some(connector(base, roots)?), 443),
            scheme if *scheme == Scheme::HTTP => (None, 80),
            _ => return Err(unusable("only http and https are spoken")),
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| HttpError::Unreachable(base.to_owned(), error))?;
        Ok(Self {
            runtime,
            host,
            port: port.unwrap_or(usual),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| unusable("the host has odd letters"))?,
            tls,
            headers: HeaderMap::new(),
            limit,
        })
    }

    /// Headers that every request carries.
    #[must_use]
    pub fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    /// Sends one request and waits for the whole answer. `path` begins with `/` and is encoded already.
    pub fn ask(&self, method: Method, path: &str, kind: &'static str, body: Vec<u8>) -> Result<Answer, HttpError> {
        let late = |_| HttpError::Late(self.name(), self.limit.as_secs());
        self.runtime.block_on(async {
            let exchange = self.exchange(method, path, kind, body);
            tokio::time::timeout(self.limit, exchange).await.map_err(late)?
        })
    }

    /// The server as people name it.
    pub fn name(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", String::from_utf8_lossy(self.authority.as_bytes()), self.prefix)
    }

    /// Whether nobody on the way can read what is sent: it is encrypted, or does not leave this machine.
    pub fn is_private(&self) -> bool {
        let is_here = |address: IpAddr| address.to_canonical().is_loopback();
        self.tls.is_some() || self.host.eq_ignore_ascii_case("localhost") || self.host.parse().is_ok_and(is_here)
    }

    async fn exchange(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Result<Answer, HttpError> {
        let unreachable = |error| HttpError::Unreachable(self.name(), error);
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        let broken = |error: hyper::http::Error| HttpError::Broken(self.name(), error.to_string());
        let target = format!("{}{path}", self.prefix);
        let target = if target.is_empty() { "/" } else { &target };
        let mut request = Request::builder().method(method).uri(target);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let mut request = request.body(Full::new(Bytes::from(body))).map_err(broken)?;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert(HOST, self.authority.clone());
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        match &self.tls {
            None => self.speak(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone());
                let name = name.map_err(|_| HttpError::Address(self.name(), "TLS needs a host name"))?;
                self.speak(tls.connect(name, stream).await.map_err(unreachable)?, request).await
            }
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, HttpError> {
        let broken = |error: &dyn std::error::Error| HttpError::Broken(self.name(), error.to_string());
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
        // It ends with the answer; what goes wrong with it, the request is told.
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|error| HttpError::Broken(self.name(), error.to_string()))?.to_bytes().to_vec();
        driver.abort();
        Ok(Answer { status, body })
    }
}

/// A text as one part of a path: everything but letters, digits and `-._~` is written as `%XX`.
pub fn encoded(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// TLS that trusts the certificates of `roots`, else those of the system.
fn connector(base: &str, roots: Option<&Path>) -> Result<TlsConnector, HttpError> {
    let fault = |cause: String| HttpError::Roots(base.to_owned(), cause);
    let file = match roots {
        Some(file) => file.to_owned(),
        None => SYSTEM_ROOTS.iter().map(PathBuf::from).find(|file| file.is_file()).ok_or_else(|| {
            fault("this system keeps none where they are looked for; name a PEM file in SSL_CERT_FILE".to_owned())
        })?,
    };
    let unread = |error: rustls::pki_types::pem::Error| fault(format!("{}: {error}", file.display()));
    let certificates = CertificateDer::pem_file_iter(&file).map_err(unread)?.collect::<Result<Vec<_>, _>>();
    let mut store = RootCertStore::empty();
    let (taken, _) = store.add_parsable_certificates(certificates.map_err(unread)?);
    if taken == 0 {
        return Err(fault(format!("{} holds none", file.display())));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|error| fault(error.to_string()))?.with_root_certificates(store).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// Answers one connection with `answer` and gives what was asked.
    fn once(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = format!("http://{}/below", listener.local_addr().expect("an address"));
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut text = Vec::new();
            let mut part = [0; 4096];
            while !text.ends_with(b"the body") {
                let read = stream.read(&mut part).expect("read");
                if read == 0 {
                    break;
                }
                text.extend_from_slice(&part[..read]);
            }
            stream.write_all(answer.as_bytes()).expect("written");
            String::from_utf8(text).expect("text")
        });
        (address, asked)
    }

    #[test]
    fn a_request_is_sent_whole_and_its_answer_read_to_the_end() {
        let (address, asked) = once(
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n4\r\nnot\n\r\n5\r\n\x1bhere\r\n0\r\n\r\n",
        );
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer t"));
        let client = HttpClient::new(&address, None, LIMIT).expect("a client").with_headers(headers);
        let answer = client.ask(Method::PUT, "/a%20b", "text/plain", b"the body".to_vec()).expect("an answer");
        assert_eq!((answer.status, answer.text(100).as_str(), answer.is_success()), (404, r"not\n\u{1b}here", false));
        assert_eq!(answer.text(3), "not");
        let asked = asked.join().expect("asked");
        for part in
            ["PUT /below/a%20b HTTP/1.1\r\n", "authorization: Bearer t\r\n", "content-length: 8\r\n", "host: 127."]
        {
            assert!(asked.contains(part), "{part} is not in {asked}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let (address, asked) = once("nonsense\r\n\r\n");
        let client = HttpClient::new(&address, None, LIMIT).expect("a client");
        let error = client.ask(Method::PUT, "/", "", b"the body".to_vec()).expect_err("no HTTP");
        assert!(matches!(error, HttpError::Broken(..)), "{error}");
        asked.join().expect("asked");
        let error = client.ask(Method::GET, "/", "", Vec::new()).expect_err("nobody listens");
        assert!(matches!(error, HttpError::Unreachable(..)), "{error}");
        let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = format!("http://{}", silent.local_addr().expect("an address"));
        let client = HttpClient::new(&address, None, Duration::from_millis(20)).expect("a client");
        assert!(matches!(client.ask(Method::GET, "/", "", Vec::new()), Err(HttpError::Late(..))));
    }

    #[test]
    fn addresses_that_cannot_be_asked_are_refused() {
        for address in [
            "",
            "localhost:5000",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a?b=1",
            "file:///m",
            "http://a:70000",
            "http://a:",
            "http://a:0",
            "http://[::1]:x",
        ] {
            assert!(matches!(HttpClient::new(address, None, LIMIT), Err(HttpError::Address(..))), "{address}");
        }
        let told = HttpClient::new("http://u:secret@a", None, LIMIT).err().expect("refused").to_string();
        assert!(told.contains("…@a") && !told.contains("secret"), "{told}");
        let missing = HttpClient::new("https://a", Some(Path::new("/nowhere.pem")), LIMIT);
        assert!(matches!(missing, Err(HttpError::Roots(..))));
        let client = HttpClient::new("http://[::1]:5000/x/", None, LIMIT).expect("a client");
        assert_eq!((client.name().as_str(), client.host.as_str()), ("http://[::1]:5000/x", "::1"));
    }

    #[test]
    fn what_leaves_this_machine_in_the_clear_is_not_private() {
        let is_private = |base| HttpClient::new(base, None, LIMIT).expect("a client").is_private();
        for base in ["http://127.0.0.1:5000", "http://127.8.9.1", "HTTP://LocalHost/x", "http://[::1]:5000"] {
            assert!(is_private(base), "{base}");
        }
        for base in [
            "http://localhost.example.invalid",
            "http://127.0.0.1.nip.invalid",
            "HTTP://example.invalid",
            "http://10.0.0.1",
            "http://[::2]",
            "http://127.1",
        ] {
            assert!(!is_private(base), "{base}");
        }
    }

    #[test]
    fn a_part_of_a_path_is_encoded() {
        assert_eq!(encoded("a b/c-é_1.~"), "a%20b%2Fc-%C3%A9_1.~");
    }
}
