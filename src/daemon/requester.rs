//! Authentication in front of the API: who asks, left on every request for the API to read.
//!
//! Never here: what they may do.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::api::{ApiError, Requester};
use crate::identity::authenticate::{Authenticator, Credentials};
use crate::listen::PeerCertificate;

/// The router with every request's user found out before it.
pub(super) fn authenticated(router: Router, authenticator: Arc<Authenticator>) -> Router {
    router.layer(from_fn_with_state(authenticator, authenticate))
}

async fn authenticate(State(authenticator): State<Arc<Authenticator>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<PeerCertificate>().and_then(|PeerCertificate(peer)| peer.clone());
    let header = match request.headers().get(AUTHORIZATION).map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text.to_owned()),
        Some(Err(_)) => return ApiError::unauthorized().into_response(),
    };
    let credentials = Credentials { peer_certificate: peer.as_deref(), authorization: header.as_deref() };
    match authenticator.authenticate(credentials).await {
        Ok(actor) => {
            // Ignored, it would let `kubectl --as` act with the caller's own rights, in the caller's own name.
            if let Some(header) = impersonation(&request).filter(|_| actor.is_some()) {
                let reason = format!(
                    "the header {header} is not supported: nobody may act as somebody else here (kubectl --as)"
                );
                return ApiError::forbidden_path(request.uri().path(), &reason).into_response();
            }
            request.extensions_mut().insert(Requester(actor));
            next.run(request).await
        }
        Err(error) => {
            tracing::info!(%error, "an API request with wrong credentials was refused");
            ApiError::unauthorized_because(&error.to_string()).into_response()
        }
    }
}

/// A header of a request on objects that asks to be taken for somebody else. What discovery answers is the same for all,
/// and kubectl does not show why it is refused.
fn impersonation(request: &Request) -> Option<&str> {
    let path = request.uri().path();
    let objects = path.starts_with("/api") && path.trim_matches('/').split('/').count() > 3;
    let mut names = request.headers().keys().map(|name| name.as_str());
    names.find(|name| objects && name.starts_with("impersonate-"))
}
