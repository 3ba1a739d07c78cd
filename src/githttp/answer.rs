//! Every answer of the Git door that is not git's own: a status and one sentence, which git shows after `remote:`.
//!
//! Never here: deciding.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::names::UserName;
use crate::identity::authenticate::AuthError;

/// Why a request does not reach git.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("Only Git smart HTTP is served here: clone, fetch from and push to <this address>/<repository>.git.")]
    NotSmartHttp,
    #[error("The dumb HTTP protocol is not served; use Git 1.6.6 or newer.")]
    Dumb,
    #[error("This address takes only {0} requests.")]
    Method(Method),
    #[error("The body must be of type {0}; use git to fetch and push.")]
    BodyType(&'static str),
    #[error("The body may only be plain or compressed with gzip; use git to fetch and push.")]
    Encoding,
    #[error("There is no repository {0:?} here; check the URL, or ask an administrator to create the repository.")]
    NoRepository(String),
    #[error("Reading needs a user of Stoop; give your user name, and your password or a token as the password.")]
    ReadNeedsUser,
    #[error("Pushing needs a user of Stoop; give your user name, and your password or a token as the password.")]
    PushNeedsUser,
    #[error("User {0:?} may only read; ask an administrator for the role author or approver to push.")]
    ReaderOnly(UserName),
    #[error("User {0:?} has no role; ask an administrator for one.")]
    NoRole(UserName),
    #[error("Not accepted: {0}.")]
    Credentials(#[from] AuthError),
    #[error("Pushes to this repository go through {0}, which serves it; Stoop's own Git door only lets it be read.")]
    OtherServer(&'static str),
    #[error("Too many Git requests are running; try again in a few seconds.")]
    Busy,
    #[error("Git failed on the server; nothing is known to have changed. The log of Stoop says more.")]
    Backend,
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotSmartHttp | Self::NoRepository(_) => StatusCode::NOT_FOUND,
            Self::Dumb | Self::ReaderOnly(_) | Self::NoRole(_) | Self::OtherServer(_) => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyType(_) | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ReadNeedsUser | Self::PushNeedsUser => StatusCode::UNAUTHORIZED,
            Self::Credentials(error) => match error {
                AuthError::Malformed(_) | AuthError::Wrong | AuthError::UnknownUser(_) => StatusCode::UNAUTHORIZED,
                AuthError::TooManyAttempts(_) => StatusCode::TOO_MANY_REQUESTS,
                AuthError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                AuthError::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Backend => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

pub(super) fn response(refused: Refused) -> Response {
    let status = refused.status();
    let mut response = (status, format!("{refused}\n")).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Stoop\", charset=\"UTF-8\""));
    }
    let wait = match &refused {
        Refused::Credentials(AuthError::TooManyAttempts(wait)) => Some(wait.as_secs().max(1)),
        Refused::Busy | Refused::Credentials(AuthError::Busy) => Some(5),
        _ => None,
    };
    if let Some(wait) = wait {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    if let Refused::Method(method) = &refused
        && let Ok(allowed) = HeaderValue::from_str(method.as_str())
    {
        headers.insert(header::ALLOW, allowed);
    }
    response
}
