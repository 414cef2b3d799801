//! TLS between members: both sides show a certificate of an authority that both know, and each
//! certificate is for the host of the member that shows it.
//!
//! The dialler knows whom it dials. Who accepts does not yet know which member has connected, so
//! there the certificate must be for the address that the connection comes from or for the host of
//! any member; names are not looked up in reverse (CVE-2026-24281). Only the names that certificates
//! list count, not the one that stands in their subject.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::address::Directory;
use crate::config::{ClientAuth, QuorumTls};
use crate::error::StartError;
use crate::stream::Stream;

/// The first byte of a TLS connection. No member begins so in clear text.
const HANDSHAKE: u8 = 0x16;

/// What is needed for TLS in both directions.
#[derive(Debug)]
pub(crate) struct Tls {
    connector: Connector,
    acceptor: Acceptor,
    settings: QuorumTls,
}

struct Connector(TlsConnector);

struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Tls {
    /// Reads key, certificates and authorities.
    pub(crate) fn load(settings: &QuorumTls) -> Result<Self, StartError> {
        let store = &settings.key_store;
        let refused = |setting, path: &std::path::Path, reason: String| StartError::Certificates {
            setting,
            path: path.to_owned(),
            reason,
        };
        let of_key = |reason: String| refused("ssl.quorum.keyStore.location", store, reason);
        let chain = certificates(store).map_err(of_key)?;
        let key = PrivateKeyDer::from_pem_file(store)
            .map_err(|error| of_key(format!("there is no private key in clear: {error}")))?;
        let trusted = &settings.trust_store;
        let of_trust = |reason: String| refused("ssl.quorum.trustStore.location", trusted, reason);
        let mut roots = RootCertStore::empty();
        for root in certificates(trusted).map_err(of_trust)? {
            roots
                .add(root)
                .map_err(|error| of_trust(error.to_string()))?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));

        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(rustls::DEFAULT_VERSIONS);
        let builder = builder.map_err(|error| of_key(error.to_string()))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone());
        let verifier = verifier
            .build()
            .map_err(|error| of_trust(error.to_string()))?;
        let builder = match settings.verify_hosts {
            true => builder.with_webpki_verifier(verifier),
            false => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyHost(verifier))),
        };
        let client = builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|error| of_key(error.to_string()))?;

        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let verifier = match settings.client_auth {
            ClientAuth::Need => Some(verifier),
            ClientAuth::Want => Some(verifier.allow_unauthenticated()),
            ClientAuth::None => None,
        };
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(rustls::DEFAULT_VERSIONS);
        let builder = builder.map_err(|error| of_key(error.to_string()))?;
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => {
                let verifier = verifier
                    .build()
                    .map_err(|error| of_trust(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let server = builder
            .with_single_cert(chain, key)
            .map_err(|error| of_key(error.to_string()))?;
        Ok(Self {
            connector: Connector(Arc::new(client).into()),
            acceptor: Acceptor(Arc::new(server).into()),
            settings: settings.clone(),
        })
    }

    /// Whether connections are opened with TLS, and not only accepted.
    pub(super) fn is_dialled(&self) -> bool {
        self.settings.dial
    }

    pub(super) async fn connect(&self, stream: TcpStream, host: &str) -> io::Result<Stream> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = self.connector.0.connect(name, stream).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        directory: &RefCell<Directory>,
    ) -> io::Result<Stream> {
        if self.settings.accept_plain {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
                return Ok(Stream::Plain(stream));
            }
        }
        let peer = stream.peer_addr()?.ip();
        let stream = self.acceptor.0.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates();
        if let (Some([certificate, ..]), true) = (shown, self.settings.verify_hosts) {
            check_host(certificate, peer, &directory.borrow()).map_err(io::Error::other)?;
        }
        Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
    }
}

/// The certificates in a PEM file; at least one.
fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|error| error.to_string())?;
    match found.is_empty() {
        true => Err("there is no certificate in it".to_owned()),
        false => Ok(found),
    }
}

/// Whether the certificate is for the peer's address or for the host of some member.
fn check_host(
    certificate: &CertificateDer<'_>,
    peer: IpAddr,
    directory: &Directory,
) -> Result<(), Error> {
    let certificate = ParsedCertificate::try_from(certificate)?;
    let places = directory.values().flat_map(|place| &place.election);
    let hosts = places.filter_map(|address| ServerName::try_from(address.host.as_str()).ok());
    let peer = ServerName::IpAddress(peer.to_canonical().into());
    let mut checked = verify_server_name(&certificate, &peer);
    for host in hosts {
        checked = checked.or_else(|_| verify_server_name(&certificate, &host));
    }
    checked
}

/// Certificates of an authority that is known, for whatever host
/// (`ssl.quorum.hostnameVerification=false`).
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .0
            .verify_server_cert(certificate, intermediates, host, ocsp, now);
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
