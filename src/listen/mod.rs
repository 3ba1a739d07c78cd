//! The TCP listeners: accept, TLS, HTTP/1 and HTTP/2, limits, and an end that lets running requests finish.
//!
//! Each request carries two extensions: `PeerCertificate` and axum's `ConnectInfo<SocketAddr>`.
//! Never here: who the peer is to us (see `identity::authenticate`), routes, and the Unix socket of the hooks.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

mod stall;
mod tls;

#[cfg(test)]
mod tests;

use stall::Stalling;
pub use tls::{needs_tls, tls_config};

/// The verified certificate (DER) of a request's client; `None` for a client that showed none, and without TLS.
#[derive(Debug, Clone, Default)]
pub struct PeerCertificate(pub Option<Arc<[u8]>>);

/// What one listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at one time; more wait in the system's queue.
    pub connections: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for a request's head, and between two requests of a connection.
    pub head: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Requests at one time in an HTTP/2 connection.
    pub streams: u32,
    /// Time that a peer may leave unread what is sent to it.
    pub stall: Duration,
    /// Time that running requests have to finish when the listener ends.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(60),
            head_bytes: 64 * 1024,
            streams: 256,
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// A bound TCP listener that is not serving yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Listener {
    /// Binds the address; port 0 takes a free one. With a TLS configuration it speaks TLS only, without one plain HTTP/1.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, tls: tls.map(TlsAcceptor::from), limits: Limits::default() })
    }

    /// The same listener with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address that was bound, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Serves until cancelled; then takes no more connections, lets running requests finish for `Limits::drain`, and cuts
    /// the rest. Streams without an end (watches) must end themselves when they see the same cancellation.
    pub async fn serve(self, router: Router, cancel: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let place = cancel.run_until_cancelled(places.clone().acquire_owned()).await;
            let Some(Ok(place)) = place else { break };
            let (stream, remote) = match cancel.run_until_cancelled(self.socket.accept()).await {
                None => break,
                Some(Ok(accepted)) => accepted,
                Some(Err(error)) => {
                    // Out of file descriptors, or a client that was gone at once. The first needs time to pass.
                    tracing::warn!(%error, address = %self.address, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (tls, limits) = (self.tls.clone(), self.limits);
            let (router, cancel) = (router.clone(), cancel.clone());
            connections.spawn(async move {
                let _place = place;
                connection(stream, remote, tls, limits, router, cancel).await;
            });
        }
        drop(self.socket);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.drain, drained).await.is_err() {
            tracing::warn!(address = %self.address, "requests were cut that did not finish in time");
            connections.shutdown().await;
        }
    }
}

async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    router: Router,
    cancel: CancellationToken,
) {
    keep_alive(&stream);
    let stream = Stalling::new(stream, limits.stall);
    let Some(tls) = tls else {
        return http(stream, remote, PeerCertificate(None), false, limits, router, cancel).await;
    };
    let handshake = tokio::time::timeout(limits.handshake, tls.accept(stream));
    match cancel.run_until_cancelled(handshake).await {
        None => {}
        Some(Err(_)) => tracing::debug!(%remote, "the TLS handshake took too long"),
        Some(Ok(Err(error))) => tracing::debug!(%remote, %error, "the TLS handshake failed"),
        Some(Ok(Ok(stream))) => {
            let session = stream.get_ref().1;
            let peer = session.peer_certificates().and_then(|chain| chain.first());
            let peer = PeerCertificate(peer.map(|certificate| Arc::from(certificate.as_ref())));
            let http2 = session.alpn_protocol() == Some(b"h2");
            http(stream, remote, peer, http2, limits, router, cancel).await;
        }
    }
}

/// Serves the requests of one connection.
async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    remote: SocketAddr,
    peer: PeerCertificate,
    http2: bool,
    limits: Limits,
    router: Router,
    cancel: CancellationToken,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (router, peer) = (router.clone(), peer.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(ConnectInfo(remote));
            router.oneshot(request).await.map_err(|never: Infallible| match never {})
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(limits.head_bytes);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    // The protocol is the one that the handshake settled, so nothing waits for a first byte without a time limit.
    let server = if http2 { server.http2_only() } else { server.http1_only() };
    let mut serving = pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = cancel.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%remote, error, "a connection ended early");
    }
}

/// Lets the system notice peers that are gone, and sends small answers at once. What fails here costs only that.
fn keep_alive(stream: &TcpStream) {
    use rustix::net::sockopt;
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, Duration::from_secs(60));
    let _ = sockopt::set_tcp_keepintvl(stream, Duration::from_secs(15));
    let _ = sockopt::set_tcp_keepcnt(stream, 4);
}
