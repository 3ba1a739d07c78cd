//! What a request asks of Git: one of three services on one repository. Everything else is refused here.
//!
//! Never here: who asks, and whether the repository exists.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, Uri, header};

use super::answer::Refused;
use crate::config::RepositoryPath;

/// The two Git services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-request",
            Self::ReceivePack => "application/x-git-receive-pack-request",
        }
    }
}

/// One well-formed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) service: Service,
    /// Only the refs are asked for (`GET …/info/refs`); otherwise the service itself runs (`POST`).
    pub(super) refs_only: bool,
    /// The repository as the URL names it, decoded.
    pub(super) repository: String,
    /// `Git-Protocol`, when it is one that Git could have sent.
    pub(super) protocol: Option<String>,
    /// Whether the body is compressed.
    pub(super) gzip: bool,
}

impl Call {
    /// Where the request goes inside the repository.
    pub(super) fn path(&self) -> &'static str {
        match (self.refs_only, self.service) {
            (true, _) => "/info/refs",
            (false, Service::UploadPack) => "/git-upload-pack",
            (false, Service::ReceivePack) => "/git-receive-pack",
        }
    }

    /// The query, written by us.
    pub(super) fn query(&self) -> String {
        if self.refs_only { format!("service={}", self.service.name()) } else { String::new() }
    }

    pub(super) fn method(&self) -> &'static str {
        if self.refs_only { "GET" } else { "POST" }
    }

    /// The body's type; it has been checked to be this one.
    pub(super) fn content_type(&self) -> &'static str {
        if self.refs_only { "" } else { self.service.content_type() }
    }
}

pub(super) fn parse(request: &Request) -> Result<Call, Refused> {
    let path = decode(request.uri().path()).ok_or(Refused::NotSmartHttp)?;
    let (repository, refs_only, service) = if let Some(repository) = path.strip_suffix("/info/refs") {
        (repository, true, service_of(request.uri())?)
    } else if let Some(repository) = path.strip_suffix("/git-upload-pack") {
        (repository, false, Service::UploadPack)
    } else if let Some(repository) = path.strip_suffix("/git-receive-pack") {
        (repository, false, Service::ReceivePack)
    } else {
        return Err(Refused::NotSmartHttp);
    };
    let wanted = if refs_only { Method::GET } else { Method::POST };
    if request.method() != wanted {
        return Err(Refused::Method(wanted));
    }
    let repository = repository.trim_start_matches('/').to_owned();
    if RepositoryPath::parse(&repository).is_err() {
        return Err(Refused::NoRepository(repository));
    }
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !refs_only && text(header::CONTENT_TYPE) != Some(service.content_type()) {
        return Err(Refused::BodyType(service.content_type()));
    }
    let gzip = match text(header::CONTENT_ENCODING) {
        None | Some("" | "identity") => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => return Err(Refused::Encoding),
    };
    Ok(Call { service, refs_only, repository, protocol: protocol(headers), gzip })
}

/// The service in `?service=…`; without one, the client speaks the dumb protocol.
fn service_of(uri: &Uri) -> Result<Service, Refused> {
    let mut parameters = uri.query().unwrap_or("").split('&');
    match parameters.find_map(|parameter| parameter.strip_prefix("service=")) {
        Some("git-upload-pack") => Ok(Service::UploadPack),
        Some("git-receive-pack") => Ok(Service::ReceivePack),
        Some(_) => Err(Refused::NotSmartHttp),
        None => Err(Refused::Dumb),
    }
}

fn protocol(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("git-protocol")?.to_str().ok()?;
    let fits = value.len() <= 128 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=:.-_".contains(&byte));
    fits.then(|| value.to_owned())
}

/// Undoes percent encoding; `None` when it is broken or the result is no UTF-8.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Call, Refused> {
        let mut builder = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        parse(&builder.body(Body::empty()).expect("a request"))
    }

    #[test]
    fn the_three_services_are_known() {
        let refs = request("GET", "/team/a%20b.git/info/refs?service=git-upload-pack", &[]).expect("fine");
        assert_eq!(
            (refs.repository.as_str(), refs.service, refs.refs_only),
            ("team/a b.git", Service::UploadPack, true)
        );
        assert_eq!((refs.path(), refs.query().as_str()), ("/info/refs", "service=git-upload-pack"));
        let headers = [
            ("content-type", "application/x-git-receive-pack-request"),
            ("content-encoding", "gzip"),
            ("git-protocol", "version=2"),
        ];
        let push = request("POST", "/a.git/git-receive-pack", &headers).expect("fine");
        assert_eq!((push.service, push.gzip), (Service::ReceivePack, true));
        assert_eq!(push.protocol.as_deref(), Some("version=2"));
        let strange = [headers[0], ("git-protocol", "$(id)")];
        let push = request("POST", "/a.git/git-receive-pack", &strange).expect("fine without");
        assert_eq!((push.protocol, push.gzip), (None, false));
    }

    #[test]
    fn everything_else_is_refused() {
        let upload = ("content-type", "application/x-git-upload-pack-request");
        for (method, uri) in [
            ("GET", "/a.git/HEAD"),
            ("GET", "/a.git/objects/info/packs"),
            ("GET", "/a.git/info/refs?service=git-shell"),
            ("GET", "/a.git/config"),
            ("GET", "/"),
            ("GET", "/a%zz.git/info/refs?service=git-upload-pack"),
            ("GET", "/a%ff.git/info/refs?service=git-upload-pack"),
        ] {
            assert!(matches!(request(method, uri, &[]), Err(Refused::NotSmartHttp)), "{uri}");
        }
        assert!(matches!(request("GET", "/a.git/info/refs", &[]), Err(Refused::Dumb)));
        for uri in
            ["/../a.git", "/a/../b.git", "/%2e%2e/a.git", "/a%2f..%2fb.git", "/a%00.git", "/a//b.git", "/.git", ""]
        {
            let uri = format!("{uri}/info/refs?service=git-upload-pack");
            assert!(matches!(request("GET", &uri, &[]), Err(Refused::NoRepository(_))), "{uri}");
        }
        assert!(matches!(request("POST", "/a.git/info/refs?service=git-upload-pack", &[]), Err(Refused::Method(_))));
        assert!(matches!(request("HEAD", "/a.git/git-upload-pack", &[]), Err(Refused::Method(_))));
        assert!(matches!(request("POST", "/a.git/git-upload-pack", &[]), Err(Refused::BodyType(_))));
        assert!(matches!(request("POST", "/a.git/git-receive-pack", &[upload]), Err(Refused::BodyType(_))));
        let odd = [upload, ("content-encoding", "br")];
        assert!(matches!(request("POST", "/a.git/git-upload-pack", &odd), Err(Refused::Encoding)));
    }
}
