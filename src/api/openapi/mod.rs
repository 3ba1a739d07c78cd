//! OpenAPI: the schema of every served kind, as version 2 (JSON and protobuf) and version 3, made from one description.
//!
//! The documents never change while the daemon runs, so each is made once.
//! Never here: reading or checking requests, but for naming fields that the schema does not know (see `unknown`).

mod definitions;
mod event_definitions;
mod metadata_definitions;
mod paths;
mod proto;
mod repository_definitions;
mod schema;
mod unknown;
mod v2;
mod v3;

use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::negotiation;
use super::status::ApiError;

pub(crate) use unknown::unknown_fields;

/// A document as it is sent, and its hash.
struct Document {
    bytes: Vec<u8>,
    hash: String,
}

impl Document {
    fn new(bytes: Vec<u8>) -> Self {
        let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02X}")).collect();
        Self { bytes, hash }
    }

    fn send(&self, headers: &HeaderMap, content_type: &'static str) -> Response {
        let tag = format!("\"{}\"", self.hash);
        if headers.get(header::IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        let headers =
            [(header::CONTENT_TYPE, content_type.to_owned()), (header::ETAG, tag), (header::VARY, "Accept".to_owned())];
        (headers, self.bytes.clone()).into_response()
    }
}

static V2: LazyLock<Document> = LazyLock::new(|| Document::new(v2::document().to_string().into_bytes()));
static V2_PROTO: LazyLock<Document> = LazyLock::new(|| Document::new(proto::encode(&v2::document())));
static V3: LazyLock<Vec<(&'static str, Document)>> = LazyLock::new(|| {
    let document = |group: &&'static str| (*group, Document::new(v3::document(group).to_string().into_bytes()));
    schema::GROUP_VERSIONS.iter().map(document).collect()
});

/// Media types of the protobuf form: the old name that clients ask by, and the valid one.
const PROTOBUF: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

/// `/openapi/v2`
pub(crate) async fn version_2(headers: HeaderMap) -> Result<Response, ApiError> {
    let entries = negotiation::entries(&headers);
    for (media, _) in &entries {
        match media.as_str() {
            media if PROTOBUF.contains(&media) => return Ok(V2_PROTO.send(&headers, PROTOBUF[1])),
            "application/json" | "application/*" | "*/*" => return Ok(V2.send(&headers, "application/json")),
            _ => {}
        }
    }
    if entries.is_empty() {
        return Ok(V2.send(&headers, "application/json"));
    }
    Err(ApiError::not_acceptable(&format!("application/json, {}", PROTOBUF[1])))
}

/// `/openapi/v3`: the documents there are, each with its hash.
pub(crate) async fn index() -> Response {
    let entry = |(group, document): &(&str, Document)| {
        let url = format!("/openapi/v3/{group}?hash={}", document.hash);
        ((*group).to_owned(), json!({"serverRelativeURL": url}))
    };
    let paths: Map<String, Value> = V3.iter().map(entry).collect();
    axum::Json(json!({"paths": paths})).into_response()
}

/// `/openapi/v3/<group and version>`
pub(crate) async fn version_3(
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(path) = path.map_err(|_| ApiError::bad_request("the path of the request is not valid UTF-8"))?;
    let Some((_, document)) = V3.iter().find(|(group, _)| *group == path) else {
        return Err(ApiError::no_such_path(&format!("/openapi/v3/{path}")));
    };
    negotiation::plain(&headers)?;
    Ok(document.send(&headers, "application/json"))
}
