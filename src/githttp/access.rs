//! Who may come through the Git door at all.
//!
//! Never here: which refs a push may touch.

use axum::http::{HeaderMap, header};

use super::answer::Refused;
use super::call::Service;
use crate::config::Config;
use crate::domain::policy::{Actor, Right, Role};
use crate::identity::authenticate::{AuthError, Authenticator, Credentials};

/// The caller, when they may use the service; `None` is an anonymous reader.
pub(super) async fn admit(
    authenticator: &Authenticator,
    config: &Config,
    peer: Option<&[u8]>,
    headers: &HeaderMap,
    service: Service,
) -> Result<Option<Actor>, Refused> {
    let authorization = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => {
            Some(value.to_str().map_err(|_| AuthError::Malformed("the Authorization header is not plain ASCII"))?)
        }
    };
    let actor = authenticator.authenticate(Credentials { peer_certificate: peer, authorization }).await?;
    may_use(actor, config.anonymous_read, service)
}

fn may_use(actor: Option<Actor>, anonymous_read: bool, service: Service) -> Result<Option<Actor>, Refused> {
    match (service, actor) {
        (Service::UploadPack, None) if anonymous_read => Ok(None),
        (Service::UploadPack, None) => Err(Refused::ReadNeedsUser),
        (Service::ReceivePack, None) => Err(Refused::PushNeedsUser),
        (_, Some(actor)) if !actor.holds(Right::Read, None) => Err(Refused::NoRole(actor.name)),
        (Service::ReceivePack, Some(actor)) if actor.roles.iter().all(|role| *role == Role::Reader) => {
            Err(Refused::ReaderOnly(actor.name))
        }
        (_, Some(actor)) => Ok(Some(actor)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::UserName;

    #[test]
    fn each_caller_gets_their_door_and_no_more() {
        let actor = |roles: &[Role]| {
            let name = UserName::parse("ann").expect("a name");
            Some(Actor { name, roles: roles.iter().copied().collect() })
        };
        let grid = [
            (None, false, false, false),
            (None, true, true, false),
            (actor(&[]), true, false, false),
            (actor(&[Role::Reader]), false, true, false),
            (actor(&[Role::Author]), false, true, true),
            (actor(&[Role::Approver]), false, true, true),
            (actor(&[Role::Admin]), false, true, true),
            (actor(&[Role::Reader, Role::Author]), false, true, true),
        ];
        for (actor, anonymous, read, push) in grid {
            let may = |service| may_use(actor.clone(), anonymous, service).is_ok();
            assert_eq!((may(Service::UploadPack), may(Service::ReceivePack)), (read, push), "{actor:?} {anonymous}");
        }
    }
}
