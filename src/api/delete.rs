//! DELETE of a package revision: reads the options, hands the removal to the commands, answers with the object as it was last.
//!
//! Never here: whether it may be removed.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::ApiState;
use super::negotiation;
use super::objects::package_revision::PackageRevisions;
use super::query::Query;
use super::read::answer;
use super::refusal_status::from_refusal;
use super::resource::PACKAGE_REVISIONS;
use super::status::{ApiError, Cause};
use super::table::{Include, View};
use super::target::{Target, read_body};
use super::update::{actor, warn};
use crate::commands::request::{Packages, Precondition, Removal};
use crate::domain::policy::break_glass::Reason;

/// The option that gives the reason for going past the policy: a DELETE has no object whose annotation could say it.
const BREAK_GLASS: &str = "breakGlass";

const POLICIES: [&str; 3] = ["Orphan", "Background", "Foreground"];

/// DELETE of one package revision.
pub(crate) async fn delete<P: Packages>(
    State(state): State<ApiState<P>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let form = negotiation::form(&parts.headers)?;
    let known = ["dryRun", "propagationPolicy", "gracePeriodSeconds", "orphanDependents", "includeObject", BREAK_GLASS];
    let query = Query::parse(&parts.uri, &known)?;
    query.word("propagationPolicy", &POLICIES)?;
    query.number("gracePeriodSeconds")?;
    query.flag("orphanDependents")?;
    let break_glass = query.text(BREAK_GLASS).map(|reason| {
        Reason::parse(reason).map_err(|refusal| ApiError::invalid_option(BREAK_GLASS, reason, &refusal.to_string()))
    });
    let break_glass = break_glass.transpose()?;
    let mut dry_run = query.dry_run()?;
    let mut precondition = Precondition::default();
    let body = read_body(body).await?;
    if !body.is_empty() {
        let options = negotiation::read_object(&parts.headers, &body)?;
        (precondition, dry_run) = read_options(&target.name, &options, dry_run)?;
    }
    if state.catalog.revision(target.namespace(), &target.name).is_none() {
        return Err(ApiError::not_found(&PACKAGE_REVISIONS, &target.name));
    }
    let removal = Removal {
        namespace: target.namespace().to_owned(),
        name: target.name.clone(),
        actor: actor(&parts.extensions)?,
        precondition,
        break_glass,
        dry_run,
    };
    let removed = state.packages.remove(removal).await;
    let removed = removed.map_err(|refusal| from_refusal(&PACKAGE_REVISIONS, &target.name, &refusal))?;
    let view = View { shape: form.shape, include: Include::parse(&query)? };
    let value = view.single::<PackageRevisions, P>(&state.packages, removed.object).await?;
    let mut response = answer(StatusCode::OK, form.encoding, &value.unwrap_or_default());
    warn(&mut response, removed.warnings.iter());
    Ok(response)
}

fn read_options(name: &str, options: &Value, dry_run: bool) -> Result<(Precondition, bool), ApiError> {
    let invalid = |field: &str, value: &Value, message: &str| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ApiError::invalid(&PACKAGE_REVISIONS, name, vec![Cause::invalid(field, &text, message)])
    };
    let Some(object) = options.as_object() else {
        return Err(ApiError::bad_request("the body of the request is no object: DeleteOptions are expected"));
    };
    let mut precondition = Precondition::default();
    let mut dry_run = dry_run;
    for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "apiVersion" => {}
            "kind" if value == "DeleteOptions" => {}
            "kind" => {
                return Err(ApiError::bad_request(format!("kind is {value}, but a DELETE takes DeleteOptions")));
            }
            "dryRun" => match value.as_array().map(Vec::as_slice) {
                Some([]) => {}
                Some(entries) if entries.iter().all(|entry| entry == "All") => dry_run = true,
                _ => return Err(invalid("dryRun", value, "supported is the list [\"All\"]")),
            },
            "propagationPolicy" => {
                if !value.as_str().is_some_and(|text| POLICIES.contains(&text)) {
                    return Err(invalid(
                        "propagationPolicy",
                        value,
                        "supported values are Orphan, Background, Foreground",
                    ));
                }
            }
            "preconditions" => precondition = read_preconditions(value, &invalid)?,
            "gracePeriodSeconds" if value.as_u64().is_some() => {}
            "orphanDependents" | "ignoreStoreReadErrorWithClusterBreakingPotential" if value.is_boolean() => {}
            _ => return Err(invalid(key, value, "the option or its value is not understood")),
        }
    }
    Ok((precondition, dry_run))
}

fn read_preconditions(
    value: &Value,
    invalid: &dyn Fn(&str, &Value, &str) -> ApiError,
) -> Result<Precondition, ApiError> {
    let text = |field: &str| match value.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(invalid(&format!("preconditions.{field}"), other, "must be a string")),
    };
    let resource_version = match text("resourceVersion")?.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            invalid("preconditions.resourceVersion", &Value::String(text), "is no resource version of this server")
        })?),
    };
    Ok(Precondition { resource_version, uid: text("uid")?.filter(|text| !text.is_empty()) })
}
