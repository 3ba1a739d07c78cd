//! PUT and PATCH of a package revision and of its `approval`: reads what is wanted, hands it to the commands.
//!
//! Never here: deciding it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::Value;

use super::desired::{self, Desired, Source};
use super::negotiation::{self, Form};
use super::objects::package_revision::{self, PackageRevisions};
use super::patch::{Patch, PatchKind};
use super::query::Query;
use super::read::answer;
use super::refusal_status::from_refusal;
use super::requester::Requester;
use super::resource::PACKAGE_REVISIONS;
use super::status::{ApiError, Cause};
use super::table::{Include, View};
use super::target::{Target, read_body};
use super::{ApiState, approval, openapi};
use crate::commands::request::{Packages, Precondition, Update, Written};
use crate::domain::package::PackageRevision;
use crate::domain::policy::Actor;
use crate::domain::refusal::Code;

/// How often a patch of metadata that names no version is made again when somebody else was faster.
const ATTEMPTS: usize = 5;

/// How long such a patch waits for the other change to show.
const SETTLE: Duration = Duration::from_millis(500);

/// Which door of the object a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The object itself.
    Main,
    /// Its `approval` subresource.
    Approval,
}

/// What is done about fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Ignore,
    Warn,
    Strict,
}

/// What an answer to a write needs.
struct Writing {
    actor: Actor,
    unknown: Unknown,
    form: Form,
    include: Include,
    dry_run: bool,
    headers: HeaderMap,
}

/// PUT.
pub(crate) async fn put<P: Packages>(
    door: Door,
    State(state): State<ApiState<P>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let writing = Writing::read(&parts.uri, parts.headers, actor(&parts.extensions)?, &[])?;
    let body = read_body(body).await?;
    let wanted = negotiation::read_object(&writing.headers, &body)?;
    let warnings = writing.unknown_fields(&wanted)?;
    let current = find(&state, &target)?;
    let desired = desired::read(&current, &wanted, Source::Put)?;
    if desired.resource_version.is_none() {
        let cause = Cause::invalid("metadata.resourceVersion", "", "resourceVersion must be specified for an update");
        return Err(ApiError::invalid(&PACKAGE_REVISIONS, &target.name, vec![cause]));
    }
    let resource_version = desired.resource_version;
    let updated = update(&state, &target, door, &current, desired, &writing, resource_version).await;
    writing.answer(&state, updated.map_err(|(_, error)| error)?, &warnings).await
}

/// PATCH.
pub(crate) async fn patch<P: Packages>(
    door: Door,
    State(state): State<ApiState<P>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let kind = PatchKind::declared(&parts.headers)?;
    let writing = Writing::read(&parts.uri, parts.headers, actor(&parts.extensions)?, &["force"])?;
    let body = read_body(body).await?;
    let patch = Patch::read(kind, &body)?;
    let mut changes = state.catalog.changes();
    let mut attempt = 0;
    loop {
        attempt += 1;
        changes.mark_unchanged();
        let current = find(&state, &target)?;
        let mut wanted = package_revision::object(&current);
        patch.apply(&mut wanted, &target.name)?;
        let warnings = writing.unknown_fields(&wanted)?;
        let desired = desired::read(&current, &wanted, Source::Patch)?;
        // A patch of metadata replaces the metadata as it was read, and one that changes nothing is right about what was read
        // and nothing else: both must meet it; the client need not know.
        let meets_what_was_read = !patch.names_version() && desired.lifecycle.is_none();
        let resource_version = match (patch.names_version(), meets_what_was_read) {
            (true, _) => desired.resource_version,
            (false, true) => Some(current.resource_version),
            (false, false) => None,
        };
        match update(&state, &target, door, &current, desired, &writing, resource_version).await {
            Ok(updated) => return writing.answer(&state, updated, &warnings).await,
            Err((Some(Code::Stale), _)) if meets_what_was_read && attempt < ATTEMPTS => {
                let _ = tokio::time::timeout(SETTLE, changes.changed()).await;
            }
            Err((_, error)) => return Err(error),
        }
    }
}

/// The user of a request; the router lets none through without.
pub(crate) fn actor(extensions: &axum::http::Extensions) -> Result<Actor, ApiError> {
    match extensions.get::<Requester>() {
        Some(Requester(Some(actor))) => Ok(actor.clone()),
        _ => Err(ApiError::unauthorized()),
    }
}

fn find<P: Packages>(state: &ApiState<P>, target: &Target) -> Result<Arc<PackageRevision>, ApiError> {
    let found = state.catalog.revision(target.namespace(), &target.name);
    found.ok_or_else(|| ApiError::not_found(&PACKAGE_REVISIONS, &target.name))
}

/// Checks the door's own rules and lets the commands decide the rest; an error keeps the refusal's code.
async fn update<P: Packages>(
    state: &ApiState<P>,
    target: &Target,
    door: Door,
    current: &PackageRevision,
    desired: Desired,
    writing: &Writing,
    resource_version: Option<u64>,
) -> Result<Written, (Option<Code>, ApiError)> {
    if door == Door::Approval {
        let wanted = desired.lifecycle.unwrap_or(current.lifecycle);
        approval::check(&target.name, current.lifecycle, wanted).map_err(|error| (None, error))?;
    }
    let update = Update {
        namespace: target.namespace().to_owned(),
        name: target.name.clone(),
        actor: writing.actor.clone(),
        precondition: Precondition { resource_version, uid: None },
        lifecycle: desired.lifecycle,
        metadata: desired.metadata,
        break_glass: desired.break_glass,
        dry_run: writing.dry_run,
    };
    let updated = state.packages.update(update).await;
    updated.map_err(|refusal| (Some(refusal.code), from_refusal(&PACKAGE_REVISIONS, &target.name, &refusal)))
}

impl Writing {
    fn read(uri: &Uri, headers: HeaderMap, actor: Actor, more: &[&str]) -> Result<Self, ApiError> {
        let known = [&["dryRun", "fieldManager", "fieldValidation", "includeObject"], more].concat();
        let query = Query::parse(uri, &known)?;
        let unknown = match query.word("fieldValidation", &["Ignore", "Warn", "Strict"])? {
            Some("Ignore") => Unknown::Ignore,
            Some("Strict") => Unknown::Strict,
            _ => Unknown::Warn,
        };
        if query.flag("force")?.is_some() {
            return Err(ApiError::invalid_option("force", "", "force is forbidden for a patch that is no apply patch"));
        }
        Ok(Self {
            actor,
            unknown,
            form: negotiation::form(&headers)?,
            include: Include::parse(&query)?,
            dry_run: query.dry_run()?,
            headers,
        })
    }

    /// Names unknown fields: an error in strict mode, else what to warn of.
    fn unknown_fields(&self, wanted: &Value) -> Result<Vec<String>, ApiError> {
        if self.unknown == Unknown::Ignore {
            return Ok(Vec::new());
        }
        let fields = openapi::unknown_fields(&PACKAGE_REVISIONS, wanted);
        let warnings: Vec<String> = fields.iter().map(|field| format!("unknown field {field:?}")).collect();
        if self.unknown == Unknown::Strict && !warnings.is_empty() {
            return Err(ApiError::bad_request(format!(
                "{} in version {:?} cannot be handled as a {0}: strict decoding error: {}",
                PACKAGE_REVISIONS.kind,
                PACKAGE_REVISIONS.version,
                warnings.join(", ")
            )));
        }
        Ok(warnings)
    }

    async fn answer<P: Packages>(
        &self,
        state: &ApiState<P>,
        updated: Written,
        warnings: &[String],
    ) -> Result<Response, ApiError> {
        let view = View { shape: self.form.shape, include: self.include };
        let value = view.single::<PackageRevisions, P>(&state.packages, updated.object).await?;
        let mut response = answer(StatusCode::OK, self.form.encoding, &value.unwrap_or_default());
        warn(&mut response, warnings.iter().chain(&updated.warnings));
        Ok(response)
    }
}

/// Puts warnings into the headers of an answer, where kubectl shows them. What is not ASCII shows as a question mark.
pub(crate) fn warn<'a>(response: &mut Response, warnings: impl Iterator<Item = &'a String>) {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        let text: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        if let Ok(header) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(header::WARNING, header);
        }
    }
}
