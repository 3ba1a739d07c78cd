//! The `approval` subresource's own rules: what may be asked for there, in Porch's words.
//!
//! Never here: who may approve, and whether the package is ready; the commands decide that for every door.

use super::resource::PACKAGE_REVISIONS;
use super::status::{ApiError, Cause};
use crate::domain::lifecycle::Lifecycle;

/// Refuses a lifecycle that cannot be asked for through `approval`; `wanted` is the value after the update.
pub(crate) fn check(name: &str, current: Lifecycle, wanted: Lifecycle) -> Result<(), ApiError> {
    use Lifecycle::{DeletionProposed, Draft, Proposed, Published};
    let message = match (current, wanted) {
        (Proposed, Draft | Published) | (Published, DeletionProposed) | (DeletionProposed, Published) => return Ok(()),
        (Published, _) => "package with Published lifecycle value can only be updated to 'ProposeDeletion'",
        (DeletionProposed, _) => "package with DeletionProposed lifecycle value can only be updated to 'Published'",
        (Proposed, DeletionProposed) => {
            "cannot update lifecycle DeletionProposed; only Published packages require approval for deletion"
        }
        (Proposed, Proposed) => "value for approval can be only one of Draft,Published",
        (Draft, _) => "cannot approve package with Draft lifecycle value; only Proposed packages can be approved",
    };
    let shown = if current == Proposed { wanted } else { current };
    Err(ApiError::invalid(&PACKAGE_REVISIONS, name, vec![Cause::invalid("spec.lifecycle", shown.as_str(), message)]))
}
