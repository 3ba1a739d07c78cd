//! Content negotiation: which form a client wants of an answer, and how it encoded what it sent.
//!
//! Quality values are ignored and the order of the header counts, as in kube-apiserver. Forms that are not spoken here
//! (protobuf, CBOR) are passed over, and clients name JSON after them.
//! Never here: making the forms (see `table`, `respond`).

use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::status::ApiError;
use crate::krm::yaml;

/// What is sent in answer to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// The shape of the objects.
    pub(crate) shape: Shape,
    /// The encoding.
    pub(crate) encoding: Encoding,
}

/// The shape of objects in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The objects themselves.
    Whole,
    /// A `meta.k8s.io` Table of this version.
    Table(&'static str),
    /// Metadata only, of this version of `meta.k8s.io`.
    Metadata(&'static str),
}

/// The encoding of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Encoding {
    /// The media type to send.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// What the 406 answer lists.
const ACCEPTED: &str = "application/json, application/yaml, application/json;as=Table;v=v1;g=meta.k8s.io, application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

/// One entry of an Accept header: the media type and its parameters, all in lower case but the values.
pub(crate) fn entries(headers: &HeaderMap) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for line in headers.get_all(header::ACCEPT) {
        let Ok(line) = line.to_str() else { continue };
        for entry in line.split(',').take(64) {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let pair = |part: &str| {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                (key.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned())
            };
            if !media.is_empty() {
                found.push((media, parts.map(pair).collect()));
            }
        }
    }
    found
}

/// The first form in the Accept header that can be served; `list` allows the list forms of metadata.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let entries = entries(headers);
    if entries.is_empty() {
        return Ok(Form { shape: Shape::Whole, encoding: Encoding::Json });
    }
    entries
        .iter()
        .find_map(|(media, parameters)| {
            let encoding = encoding(media)?;
            Some(Form { shape: shape(parameters)?, encoding })
        })
        .ok_or_else(|| ApiError::not_acceptable(ACCEPTED))
}

/// The encoding of an answer that has one shape only (discovery, health as JSON).
pub(crate) fn plain(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let entries = entries(headers);
    if entries.is_empty() {
        return Ok(Encoding::Json);
    }
    let known = |(media, parameters): &(String, Vec<(String, String)>)| {
        if parameters.iter().any(|(key, _)| key == "as") { None } else { encoding(media) }
    };
    entries.iter().find_map(known).ok_or_else(|| ApiError::not_acceptable("application/json, application/yaml"))
}

fn encoding(media: &str) -> Option<Encoding> {
    match media {
        "application/json" | "application/*" | "*/*" => Some(Encoding::Json),
        "application/yaml" => Some(Encoding::Yaml),
        _ => None,
    }
}

fn shape(parameters: &[(String, String)]) -> Option<Shape> {
    let get = |key: &str| parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let Some(kind) = get("as") else { return Some(Shape::Whole) };
    if get("g") != Some("meta.k8s.io") {
        return None;
    }
    let version = match get("v")? {
        "v1" => "v1",
        "v1beta1" => "v1beta1",
        _ => return None,
    };
    match kind {
        "Table" => Some(Shape::Table(version)),
        "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Shape::Metadata(version)),
        _ => None,
    }
}

/// The media type that a body is declared as, in lower case and without parameters.
pub(crate) fn body_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media.is_empty()).then_some(media)
}

/// Reads a body that must be JSON or YAML, by its declared type; JSON when none is declared, as in kube-apiserver (`kubectl
/// replace --raw` declares none).
pub(crate) fn read_object(headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiError> {
    match body_type(headers).as_deref() {
        Some("application/json") | None => json(body),
        Some("application/yaml") => yaml(body),
        Some(other) => Err(ApiError::unsupported_media_type(format!(
            "the body of the request was in an unknown format {other:?} - accepted media types include: application/json, application/yaml"
        ))),
    }
}

/// Reads JSON; a broken text is a 400 that says where.
pub(crate) fn json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body of the request is not valid JSON: {error}")))
}

/// Reads YAML; a broken text is a 400 that says where.
pub(crate) fn yaml(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::bad_request("the body of the request is not UTF-8 text, so it is not valid YAML"))?;
    yaml::read(text)
        .map_err(|error| ApiError::bad_request(format!("the body of the request is not valid YAML: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> Result<Form, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().expect("a header value"));
        form(&headers)
    }

    #[test]
    fn the_first_form_that_can_be_served_wins() {
        let json = |shape| Ok(Form { shape, encoding: Encoding::Json });
        for (accept, want) in [
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                json(Shape::Table("v1")),
            ),
            ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", json(Shape::Whole)),
            ("application/vnd.kubernetes.protobuf,application/json", json(Shape::Whole)),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
                json(Shape::Metadata("v1")),
            ),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1beta1", json(Shape::Metadata("v1beta1"))),
            ("application/json; q=0.1, application/yaml", json(Shape::Whole)),
            ("*/*", json(Shape::Whole)),
            ("application/yaml", Ok(Form { shape: Shape::Whole, encoding: Encoding::Yaml })),
        ] {
            assert_eq!(asked(accept), want, "{accept}");
        }
        for accept in ["application/vnd.kubernetes.protobuf", "text/html", "application/json;as=Table;v=v1;g=other"] {
            assert_eq!(asked(accept).map_err(|e| e.code().as_u16()), Err(406), "{accept}");
        }
    }
}
