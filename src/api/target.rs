//! What a request is about: namespace and name from the path, and the body within its limit.
//!
//! Never here: reading the body's content.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use http_body_util::BodyExt;

use super::status::ApiError;

/// The largest request body, in bytes.
pub(crate) const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Namespace and name in the path.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// The namespace; `None` for all.
    pub(crate) namespace: Option<String>,
    /// The name; empty for collections.
    pub(crate) name: String,
}

impl Target {
    /// The namespace, empty for objects outside of namespaces.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let mut target = Self::default();
        let parameters = match RawPathParams::from_request_parts(parts, state).await {
            Ok(parameters) => parameters,
            Err(_) => return Err(ApiError::bad_request("the path of the request is not valid UTF-8")),
        };
        for (key, value) in &parameters {
            match key {
                "namespace" => target.namespace = Some(value.to_owned()),
                "name" => target.name = value.to_owned(),
                _ => {}
            }
        }
        Ok(target)
    }
}

/// How much of a body over the limit is still read and thrown away, in bytes: a client that is cut off while it writes
/// would never see the answer that says why.
const DRAINED: usize = 32 << 20;

/// Reads a body up to the limit.
pub(crate) async fn read_body(mut body: Body) -> Result<Bytes, ApiError> {
    let mut read = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::bad_request(format!("the body of the request could not be read to its end: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= BODY_LIMIT {
            read.extend_from_slice(&data);
        } else if length > DRAINED {
            break;
        }
    }
    if length > BODY_LIMIT { Err(ApiError::too_large(BODY_LIMIT)) } else { Ok(Bytes::from(read)) }
}
