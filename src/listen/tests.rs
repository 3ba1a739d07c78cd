//! Real connections to a real listener on a free loopback port.

use axum::extract::Extension;
use axum::routing::get;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::domain::names::UserName;
use crate::identity::authority::{Authority, ClientCertificate};
use crate::identity::crypto;
use crate::identity::server_certificate::ServerCertificate;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

struct World {
    _state: tempfile::TempDir,
    authority: Arc<Authority>,
    certificate: Arc<ServerCertificate>,
}

impl World {
    fn new() -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let authority = Arc::new(Authority::open(state.path()).expect("made"));
        let certificate = Arc::new(ServerCertificate::open(authority.clone(), &[]).expect("made"));
        Self { _state: state, authority, certificate }
    }

    async fn listener(&self) -> Listener {
        let tls = tls_config(&self.authority, self.certificate.clone()).expect("usable");
        bind(Some(tls)).await
    }

    fn client(&self, user: &str) -> ClientCertificate {
        self.authority.issue_client(&UserName::parse(user).expect("a name"), None).expect("issued")
    }

    async fn connect(
        &self,
        address: SocketAddr,
        client: Option<ClientCertificate>,
        alpn: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.certificate().clone()).expect("usable");
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(crypto()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let chain = vec![CertificateDer::from_pem_slice(client.certificate.as_bytes()).expect("PEM")];
                let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).expect("PEM");
                config.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

async fn bind(tls: Option<Arc<rustls::ServerConfig>>) -> Listener {
    Listener::bind("127.0.0.1:0".parse().expect("an address"), tls).await.expect("bound")
}

/// Says who the listener takes the client for.
fn router() -> Router {
    async fn peer(
        Extension(PeerCertificate(peer)): Extension<PeerCertificate>,
        ConnectInfo(remote): ConnectInfo<SocketAddr>,
    ) -> String {
        format!("certificate={} loopback={}", peer.is_some(), remote.ip().is_loopback())
    }
    Router::new().route("/", get(peer))
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &[u8]) -> io::Result<String> {
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    // Well below the limits that hyper has by itself.
    match tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await {
        Err(_) => panic!("the connection was neither answered to its end nor closed"),
        Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(_) => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

#[tokio::test]
async fn plain_and_tls_serve_and_tell_the_peer() {
    let (world, cancel) = (World::new(), CancellationToken::new());
    let (plain, tls) = (bind(None).await, world.listener().await);
    assert_eq!((plain.scheme(), tls.scheme()), ("http", "https"));
    let (plain_at, tls_at) = (plain.address(), tls.address());
    assert_ne!(plain_at.port(), 0);
    let serving =
        [tokio::spawn(plain.serve(router(), cancel.clone())), tokio::spawn(tls.serve(router(), cancel.clone()))];

    let stream = TcpStream::connect(plain_at).await.expect("connected");
    let answer = ask(stream, REQUEST).await.expect("answered");
    assert!(answer.ends_with("certificate=false loopback=true"), "{answer}");
    let stream = world.connect(tls_at, None, "http/1.1").await.expect("connected");
    assert!(ask(stream, REQUEST).await.expect("answered").ends_with("certificate=false loopback=true"));
    let stream = world.connect(tls_at, Some(world.client("ann")), "http/1.1").await.expect("connected");
    assert!(ask(stream, REQUEST).await.expect("answered").ends_with("certificate=true loopback=true"));

    let stranger = World::new().client("ann");
    // In TLS 1.3 the client learns of it with its first read.
    let refused = match world.connect(tls_at, Some(stranger), "http/1.1").await {
        Err(_) => true,
        Ok(stream) => ask(stream, REQUEST).await.map_or(true, |answer| answer.is_empty()),
    };
    assert!(refused, "a certificate of another authority");
    let stream = TcpStream::connect(tls_at).await.expect("connected");
    let answer = ask(stream, REQUEST).await.unwrap_or_default();
    assert!(!answer.contains("HTTP/1.1 200"), "no plain HTTP on a TLS port: {answer}");

    cancel.cancel();
    for listener in serving {
        listener.await.expect("ended");
    }
    // The port may have gone to somebody else by now.
    if let Ok(stream) = TcpStream::connect(plain_at).await {
        assert!(!ask(stream, REQUEST).await.unwrap_or_default().contains("certificate="), "closed");
    }
}

#[tokio::test]
async fn http2_is_spoken_where_the_handshake_says_so() {
    let (world, cancel) = (World::new(), CancellationToken::new());
    let listener = world.listener().await;
    let address = listener.address();
    let serving = tokio::spawn(listener.serve(router(), cancel.clone()));
    let mut stream = world.connect(address, None, "h2").await.expect("connected");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(frame[3], 4, "SETTINGS");
    drop(stream);
    cancel.cancel();
    serving.await.expect("ended");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_connection() {
    let (world, cancel) = (World::new(), CancellationToken::new());
    let listener = world.listener().await;
    let address = listener.address();
    let serving = tokio::spawn(listener.serve(router(), cancel.clone()));
    let shown = async || {
        let stream = world.connect(address, None, "http/1.1").await.expect("connected");
        let certificate = stream.get_ref().1.peer_certificates().expect("shown")[0].to_vec();
        assert!(ask(stream, REQUEST).await.expect("answered").contains("200 OK"));
        certificate
    };
    let (first, same) = (shown().await, shown().await);
    assert_eq!(first, same);
    world.certificate.renew_now();
    assert_ne!(first, shown().await);
    cancel.cancel();
    serving.await.expect("ended");
}

#[tokio::test]
async fn running_requests_finish_and_endless_ones_are_cut() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (arrived, go) = (arrived.clone(), go.clone());
        move || async move {
            arrived.notify_one();
            go.notified().await;
            "finished"
        }
    };
    let endless = {
        let arrived = arrived.clone();
        move || async move {
            arrived.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let router = Router::new().route("/", get(slow)).route("/endless", get(endless));
    let limits = Limits { drain: Duration::from_millis(300), ..Limits::default() };
    let listener = bind(None).await.with_limits(limits);
    let (address, cancel) = (listener.address(), CancellationToken::new());
    let serving = tokio::spawn(listener.serve(router, cancel.clone()));
    let request = async |request: &'static [u8]| {
        let stream = TcpStream::connect(address).await.expect("connected");
        let asking = tokio::spawn(ask(stream, request));
        arrived.notified().await;
        (asking,)
    };
    let (slow,) = request(REQUEST).await;
    let (endless,) = request(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut idle = TcpStream::connect(address).await.expect("connected");
    cancel.cancel();
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0, "an idle connection is closed at once");
    go.notify_one();
    assert!(slow.await.expect("ran").expect("answered").ends_with("finished"));
    serving.await.expect("ended");
    assert!(!endless.await.expect("ran").unwrap_or_default().contains("200"));
}

#[tokio::test]
async fn slow_and_swollen_clients_are_sent_away() {
    let world = World::new();
    let limits = Limits {
        handshake: Duration::from_millis(50),
        head: Duration::from_millis(50),
        head_bytes: 8192,
        connections: 1,
        ..Limits::default()
    };
    let (plain, tls) = (bind(None).await.with_limits(limits), world.listener().await.with_limits(limits));
    let (plain_at, tls_at) = (plain.address(), tls.address());
    let cancel = CancellationToken::new();
    let serving =
        [tokio::spawn(plain.serve(router(), cancel.clone())), tokio::spawn(tls.serve(router(), cancel.clone()))];
    for (address, sent) in [(tls_at, b"".as_slice()), (plain_at, b""), (plain_at, b"GET / HT")] {
        let stream = TcpStream::connect(address).await.expect("connected");
        let answer = ask(stream, sent).await.unwrap_or_default();
        assert!(!answer.contains("200"), "{answer}");
    }
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(10_000));
    let stream = TcpStream::connect(plain_at).await.expect("connected");
    let answer = ask(stream, large.as_bytes()).await.unwrap_or_default();
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    // The only place is free again each time, or this would never be answered.
    let stream = TcpStream::connect(plain_at).await.expect("connected");
    assert!(ask(stream, REQUEST).await.expect("answered").contains("200 OK"));
    cancel.cancel();
    for listener in serving {
        listener.await.expect("ended");
    }
}
