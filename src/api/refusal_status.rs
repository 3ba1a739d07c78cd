//! What the domain refuses, as a Kubernetes Status: one mapping from refusal codes to HTTP.
//!
//! Never here: texts; the refusal brings its own sentence and the next step.

use super::resource::Id;
use super::status::{ApiError, Cause};
use crate::domain::refusal::{Code, Refusal};

/// The Status for a refusal of a request on one object.
pub(crate) fn from_refusal(id: &Id, name: &str, refusal: &Refusal) -> ApiError {
    let text = refusal.to_string();
    let error = match refusal.code {
        Code::NoIdentity => ApiError::unauthorized(),
        Code::NotAllowed
        | Code::BadCertificate
        | Code::Immutable
        | Code::Referenced
        | Code::Reserved
        | Code::FourEyes
        | Code::ApprovalsMissing
        | Code::AlreadyApproved
        | Code::Frozen
        | Code::UnboundApproval
        | Code::NotSigned
        | Code::BreakGlass => ApiError::forbidden(id, name, &text),
        Code::NotFound => ApiError::not_found(id, name),
        Code::Stale | Code::Busy => ApiError::conflict(id, name, &text),
        Code::BadRequest => ApiError::bad_request(text),
        Code::Failed => ApiError::internal(&text),
        Code::WrongState
        | Code::ProposalLocked
        | Code::NotReady
        | Code::GateRequired
        | Code::NotRendered
        | Code::StaleBase
        | Code::Tampered => ApiError::invalid(id, name, vec![cause("spec.lifecycle", text)]),
        Code::WorkspaceUsed => ApiError::invalid(id, name, vec![cause("spec.workspaceName", text)]),
        Code::BadName | Code::Nested => ApiError::invalid(id, name, vec![cause("spec.packageName", text)]),
        Code::Internal
        | Code::OutsidePackage
        | Code::ForgedAnnotation
        | Code::RefConflict
        | Code::BadKptfile
        | Code::BadContent
        | Code::BranchGuarded
        | Code::Mixed => ApiError::invalid(id, name, vec![cause("", text)]),
    };
    error.of(refusal.code)
}

fn cause(field: &str, message: String) -> Cause {
    Cause { reason: "FieldValueInvalid", message, field: field.to_owned() }
}
