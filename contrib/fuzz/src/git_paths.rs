//! The Git door: any method, path, query and headers. No repository is there, so git is never run.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, header};
use base64::Engine;
use http_body_util::BodyExt;
use stoop::config::{Config, RepositoryPath, SharedConfig, User};
use stoop::domain::names::UserName;
use stoop::domain::policy::Role;
use stoop::githttp::{GitDoor, RepositoryPaths};
use stoop::identity::authenticate::Authenticator;
use stoop::identity::tokens::TokenHash;
use stoop::listen::PeerCertificate;
use tower::ServiceExt;

use super::api_paths::read;
use super::world::block_on;

const TOKEN: &str = "stoop_for-tests-only";

/// The paths that were looked for.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Asked {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RepositoryPaths for Asked {
    fn resolve(&self, url_path: &str) -> Option<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(url_path.to_owned());
        None
    }
}

static DOOR: LazyLock<(Arc<Asked>, Router)> = LazyLock::new(|| {
    let user = User {
        name: UserName::parse("ann").expect("valid"),
        roles: [Role::Author].into(),
        password: None,
        tokens: vec![TokenHash::of(TOKEN)],
        signing_keys: Vec::new(),
        ssh_keys: Vec::new(),
    };
    let config = Arc::new(SharedConfig::fixed(Config { users: vec![user], ..Config::default() }));
    let authenticator = Arc::new(Authenticator::new(config.clone()).expect("random bytes"));
    let asked = Arc::new(Asked::default());
    (asked.clone(), GitDoor::new(asked, authenticator, config).router())
});

/// The input is that of `api_paths`.
pub fn run(data: &[u8]) {
    let (code, text, asked) = send(data, true);
    assert!((400..500).contains(&code), "{code} {text}");
    assert!(!text.is_empty() && text.len() < 32 << 10);
    for path in asked {
        assert!(RepositoryPath::parse(&path).is_ok(), "{path:?}");
        assert!(!path.starts_with('/') && !path.chars().any(char::is_control), "{path:?}");
        assert!(path.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{path:?}");
        assert!(PathBuf::from("/srv").join(&path).starts_with("/srv/"), "{path:?}");
    }
    let (code, _, asked) = send(data, false);
    assert!((400..500).contains(&code));
    assert!(asked.is_empty(), "a stranger learns whether {asked:?} is there");
}

fn send(data: &[u8], known: bool) -> (u16, String, Vec<String>) {
    let Some(mut request) = read(data) else { return (400, "no request".to_owned(), Vec::new()) };
    request.headers_mut().remove(header::AUTHORIZATION);
    if known {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("ann:{TOKEN}"));
        let value = HeaderValue::from_str(&format!("Basic {pair}")).expect("a header");
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    request.extensions_mut().insert(PeerCertificate(None));
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))));
    let (asked, router) = &*DOOR;
    let (code, text) = block_on(async {
        let response = router.clone().oneshot(request).await.expect("the router never fails");
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
        (code, String::from_utf8(bytes.to_vec()).expect("answers are text"))
    });
    (code, text, asked.take())
}
