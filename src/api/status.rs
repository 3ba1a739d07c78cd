//! Errors as Kubernetes says them: a `Status` object with code, reason, a message that kubectl users know, and details.
//!
//! Never here: deciding that something is an error; see `refusal_status` for what the domain refuses.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::resource::Id;
use crate::domain::refusal::Code;

/// One cause inside a Status: which field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    /// A word for programs, for example `FieldValueInvalid`.
    pub(crate) reason: &'static str,
    /// A sentence for people.
    pub(crate) message: String,
    /// The field as a dotted path; empty when the cause is no field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) field: String,
}

impl Cause {
    /// A field that holds a value it may not hold.
    pub(crate) fn invalid(field: &str, value: &str, message: &str) -> Self {
        let value: String = value.chars().take(200).collect();
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value:?}: {message}"),
            field: field.to_owned(),
        }
    }

    /// A field that may not be set or changed.
    pub(crate) fn forbidden(field: &str, message: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {message}"), field: field.to_owned() }
    }

    /// A field that is missing.
    pub(crate) fn required(field: &str, message: &str) -> Self {
        Self { reason: "FieldValueRequired", message: format!("Required value: {message}"), field: field.to_owned() }
    }
}

/// What a Status says about the object it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Cause>,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "is_zero")]
    retry_after_seconds: u32,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// An error answer: the HTTP code and the Status body. `Clone` so that a watch can send it as an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError(Box<Body>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Body {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Details>,
    refusal: Option<Code>,
}

/// What an error answer was about, left on the response for the log and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The refusal's code, where the commands refused.
    pub code: Option<Code>,
    /// The reason of the Status, for example `NotFound`.
    pub reason: &'static str,
    /// The sentence that the client reads.
    pub message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: serde_json::Map<String, serde_json::Value>,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Details>,
    code: u16,
}

impl ApiError {
    fn new(code: StatusCode, reason: &'static str, message: String, details: Option<Details>) -> Self {
        Self(Box::new(Body { code, reason, message, details, refusal: None }))
    }

    /// The same error, made of a refusal with this code.
    pub(crate) fn of(mut self, code: Code) -> Self {
        self.0.refusal = Some(code);
        self
    }

    fn about(id: &Id, name: &str) -> Details {
        Details { name: name.to_owned(), group: id.group, kind: id.plural, ..Details::default() }
    }

    /// 404: there is no such object.
    pub(crate) fn not_found(id: &Id, name: &str) -> Self {
        let message = format!("{} {name:?} not found", id.resource());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message, Some(Self::about(id, name)))
    }

    /// 404: there is no such path.
    pub(crate) fn no_such_path(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let message = format!(
            "the server could not find the requested resource: {path}; `kubectl api-resources` lists what is served"
        );
        Self::new(StatusCode::NOT_FOUND, "NotFound", message, Some(Details::default()))
    }

    /// 403 on an object.
    pub(crate) fn forbidden(id: &Id, name: &str, reason: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {reason}", id.resource());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message, Some(Self::about(id, name)))
    }

    /// 403 on a path.
    pub(crate) fn forbidden_path(path: &str, reason: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let message = format!("forbidden: cannot use path {path:?}: {reason}");
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message, Some(Details::default()))
    }

    /// 401.
    pub(crate) fn unauthorized() -> Self {
        let message = "Unauthorized: the request carries no identity that Stoop knows; use a client certificate, a token or a password of a configured user".to_owned();
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message, None)
    }

    /// 401 for credentials that are wrong, saying how.
    pub(crate) fn unauthorized_because(why: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", format!("Unauthorized: {why}"), None)
    }

    /// 409: the object is not what the request says it is.
    pub(crate) fn conflict(id: &Id, name: &str, reason: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {reason}", id.resource());
        Self::new(StatusCode::CONFLICT, "Conflict", message, Some(Self::about(id, name)))
    }

    /// 422 with one cause a field.
    pub(crate) fn invalid(id: &Id, name: &str, causes: Vec<Cause>) -> Self {
        let lines: Vec<String> = causes
            .iter()
            .map(|c| if c.field.is_empty() { c.message.clone() } else { format!("{}: {}", c.field, c.message) })
            .collect();
        let text = if lines.len() == 1 { lines.concat() } else { format!("[{}]", lines.join(", ")) };
        let subject = if id.group.is_empty() { id.kind.to_owned() } else { format!("{}.{}", id.kind, id.group) };
        let message = format!("{subject} {name:?} is invalid: {text}");
        let details = Details { name: name.to_owned(), group: id.group, kind: id.kind, causes, ..Details::default() };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message, Some(details))
    }

    /// 422: a list, watch or write option that is not understood.
    pub(crate) fn invalid_option(field: &str, value: &str, message: &str) -> Self {
        let cause = Cause::invalid(field, value, message);
        let text = format!("options are invalid: {field}: {}", cause.message);
        let details = Details { causes: vec![cause], ..Details::default() };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text, Some(details))
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message.into(), None)
    }

    /// 410: the resource version or the continue token is too old.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message.into(), None)
    }

    /// 405; `verb` is the Kubernetes verb.
    pub(crate) fn method_not_supported(id: &Id, verb: &str, hint: &str) -> Self {
        let resource = id.resource();
        let message = format!("{verb} is not supported on resources of kind {resource:?}{hint}");
        let details = Details { group: id.group, kind: id.plural, ..Details::default() };
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, Some(details))
    }

    /// 405 on a path that is no resource.
    pub(crate) fn method_not_allowed(method: &str) -> Self {
        let message = format!("the server does not allow {method} on this path");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, Some(Details::default()))
    }

    /// 406.
    pub(crate) fn not_acceptable(accepted: &str) -> Self {
        let message = format!("only the following media types are accepted: {accepted}");
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message, None)
    }

    /// 413.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message, None)
    }

    /// 413: a JSON patch with too many operations.
    pub(crate) fn too_many_operations(have: usize, limit: usize) -> Self {
        let message = format!("The allowed maximum operations in a JSON patch is {limit}, got {have}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message, None)
    }

    /// 415.
    pub(crate) fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message.into(), None)
    }

    /// 504: the resource version asked for has not been reached.
    pub(crate) fn version_too_large(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let cause = Cause {
            reason: "ResourceVersionTooLarge",
            message: "Too large resource version".to_owned(),
            field: String::new(),
        };
        let details = Details { causes: vec![cause], retry_after_seconds: 1, ..Details::default() };
        Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message, Some(details))
    }

    /// 504: the request took too long.
    pub(crate) fn timeout(seconds: u64) -> Self {
        let message = format!("Timeout: request did not complete within {seconds} seconds");
        Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message, Some(Details::default()))
    }

    /// 500.
    pub(crate) fn internal(message: &str) -> Self {
        let cause = Cause { reason: "InternalError", message: message.to_owned(), field: String::new() };
        let details = Details { causes: vec![cause], ..Details::default() };
        let text = format!("Internal error occurred: {message}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", text, Some(details))
    }

    /// The HTTP code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> StatusCode {
        self.0.code
    }

    /// The message for people.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The Status object as JSON.
    pub(crate) fn to_json(&self) -> String {
        let body = &self.0;
        let status = Status {
            kind: "Status",
            api_version: "v1",
            metadata: serde_json::Map::new(),
            status: "Failure",
            message: &body.message,
            reason: body.reason,
            details: body.details.as_ref(),
            code: body.code.as_u16(),
        };
        serde_json::to_string(&status).unwrap_or_default()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.0.code, [(header::CONTENT_TYPE, "application/json")], self.to_json()).into_response();
        if self.0.code == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"stoop\""));
        }
        if let Some(seconds) = self.0.details.as_ref().map(|d| d.retry_after_seconds).filter(|s| *s > 0) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        let Body { reason, message, refusal, .. } = *self.0;
        response.extensions_mut().insert(Refused { code: refusal, reason, message });
        response
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Self {
        error.into_response()
    }
}
