//! Who asks: the value that the authentication in front of this router leaves on every request.
//!
//! Never here: finding out who it is (see `identity`), and what that user may do beyond reading (the commands decide).

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use super::status::ApiError;
use crate::domain::policy::{Actor, Right};

/// The requester of an API call, as a request extension; `None` when the request carries no identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester(pub Option<Actor>);

/// Paths that answer without an identity, so that probes and clients' version checks work.
const OPEN: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// Lets a request pass when its user holds a role; 401 without a user, 403 without a role.
pub(crate) async fn require_reader(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open = OPEN.iter().any(|open| path.strip_prefix(open).is_some_and(|rest| matches!(rest, "" | "/")))
        || path.starts_with("/livez/")
        || path.starts_with("/readyz/")
        || path.starts_with("/healthz/");
    if is_open {
        return next.run(request).await;
    }
    match request.extensions().get::<Requester>() {
        Some(Requester(Some(actor))) if actor.holds(Right::Read, None) => next.run(request).await,
        Some(Requester(Some(actor))) => {
            let sentence = format!(
                "user {:?} holds no role in Stoop's configuration; an administrator can give it one of reader, author, approver, admin",
                actor.name.as_str()
            );
            ApiError::forbidden_path(path, &sentence).into()
        }
        _ => ApiError::unauthorized().into(),
    }
}
