//! TLS for a service that faces the network itself: certificate and key from files, read again when they change.
//!
//! TLS 1.3 and 1.2 with the defaults of rustls; no client certificates. Invariant: files that do not fit together are
//! refused whole, and the certificate that was good stays.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why TLS cannot be spoken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("TLS: {file}: {cause}", file = .file.display())]
pub struct TlsError {
    file: PathBuf,
    cause: String,
}

/// The certificate and key of the service, and where they came from. Clones share them.
#[derive(Clone)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tls({}, {})", self.cert.display(), self.key.display())
    }
}

impl Tls {
    /// Reads both PEM files.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let config = Arc::new(RwLock::new(Arc::new(config(cert, key)?)));
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), config })
    }

    /// Reads them again; new connections get the new certificate.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(config(&self.cert, &self.key)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The two files.
    pub fn files(&self) -> [&Path; 2] {
        [&self.cert, &self.key]
    }

    /// What greets the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone().into()
    }
}

fn config(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let fault = |file: &Path, cause: String| TlsError { file: file.to_owned(), cause };
    let unread = |error: rustls::pki_types::pem::Error| fault(cert, error.to_string());
    let chain = CertificateDer::pem_file_iter(cert).map_err(unread)?.collect::<Result<Vec<_>, _>>().map_err(unread)?;
    if chain.is_empty() {
        return Err(fault(cert, "holds no certificate in PEM".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| fault(cert, error.to_string()))?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, secret).map_err(|error| fault(key, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
