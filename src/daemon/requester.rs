//! Authentication in front of the API: who asks, left on every request for the API to read. The one place that logs what
//! was asked to be changed, by whom, and what became of it.
//!
//! Never here: what they may do.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::labels;
use crate::api::{ApiError, Refused, Requester};
use crate::domain::policy::Actor;
use crate::identity::authenticate::{Authenticator, Credentials};
use crate::listen::PeerCertificate;
use crate::telemetry::{Door, Metrics};

/// The router with every request's user found out before it.
pub(super) fn authenticated(router: Router, authenticator: Arc<Authenticator>, metrics: Arc<Metrics>) -> Router {
    router.layer(from_fn_with_state((authenticator, metrics), authenticate))
}

async fn authenticate(
    State((authenticator, metrics)): State<(Arc<Authenticator>, Arc<Metrics>)>,
    mut request: Request,
    next: Next,
) -> Response {
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
            let write = Write::of(&request, actor.as_ref());
            request.extensions_mut().insert(Requester(actor));
            let response = next.run(request).await;
            if let Some(write) = write {
                write.tell(&response, &metrics);
            }
            response
        }
        Err(error) => {
            tracing::info!(%error, "an API request with wrong credentials was refused");
            ApiError::unauthorized_because(&error.to_string()).into_response()
        }
    }
}

/// A request that would change something.
struct Write {
    begun: Instant,
    user: String,
    verb: &'static str,
    resource: &'static str,
    /// `namespace/name` of the object; empty where the path names none.
    object: String,
    dry_run: bool,
}

impl Write {
    fn of(request: &Request, actor: Option<&Actor>) -> Option<Self> {
        if matches!(request.method().as_str(), "GET" | "HEAD" | "OPTIONS") {
            return None;
        }
        let path = request.uri().path();
        let segments: Vec<&str> = path.split('/').skip_while(|segment| *segment != "namespaces").collect();
        let (verb, resource) = labels(request.method().as_str(), path, false);
        let object = match segments.as_slice() {
            [_, namespace, _, name, ..] => format!("{namespace}/{name}"),
            _ => String::new(),
        };
        Some(Self {
            begun: Instant::now(),
            user: actor.map(|actor| actor.name.to_string()).unwrap_or_default(),
            verb,
            resource,
            object: object.chars().take(300).collect(),
            dry_run: request.uri().query().is_some_and(|query| query.contains("dryRun=All")),
        })
    }

    /// One line in the log, and a refusal in the metrics.
    fn tell(&self, response: &Response, metrics: &Metrics) {
        let Self { user, verb, resource, object, dry_run, .. } = self;
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        let accepted = response.status().is_success();
        let decision = if accepted { "accepted" } else { "refused" };
        let refused = response.extensions().get::<Refused>().filter(|_| !accepted);
        if let Some(code) = refused.and_then(|refused| refused.code) {
            metrics.refusal(Door::Api, code);
        }
        let code = refused.map(|refused| refused.code.map_or(refused.reason, |code| code.as_str()));
        let reason = refused.map(|refused| refused.message.as_str());
        tracing::info!(
            user,
            verb,
            resource,
            object,
            dry_run,
            decision,
            code,
            status,
            milliseconds,
            reason,
            "api write"
        );
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
