//! Who is taken for whom, and who is sent away.

use super::*;
use crate::config::User;
use crate::identity::authority::Authority;
use crate::identity::tokens::Token;

fn name(text: &str) -> UserName {
    UserName::parse(text).expect("a name")
}

fn user(text: &str, role: Role, password: Option<&str>, tokens: &[&Token]) -> User {
    User {
        name: name(text),
        roles: [role].into(),
        password: password.map(|password| PasswordHash::of(password).expect("hashed")),
        tokens: tokens.iter().map(|token| TokenHash::of(token.reveal())).collect(),
        signing_keys: Vec::new(),
        ssh_keys: Vec::new(),
    }
}

fn authenticator(users: Vec<User>) -> Authenticator {
    let config = Config { users, ..Config::default() };
    Authenticator::new(Arc::new(SharedConfig::fixed(config))).expect("random")
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

async fn by_header(authenticator: &Authenticator, header: &str) -> Result<Option<Actor>, AuthError> {
    authenticator.authenticate(Credentials { authorization: Some(header), peer_certificate: None }).await
}

#[tokio::test]
async fn passwords_and_tokens_name_their_user() {
    let (ann_token, bob_token) = (Token::make().expect("random"), Token::make().expect("random"));
    let it = authenticator(vec![
        user("ann", Role::Author, Some("correct horse"), &[&ann_token]),
        user("bob", Role::Approver, None, &[&bob_token]),
    ]);
    let ann = Ok(Some(Actor { name: name("ann"), roles: [Role::Author].into() }));
    assert_eq!(by_header(&it, &basic("ann", "correct horse")).await, ann);
    assert_eq!(by_header(&it, &basic("ann", ann_token.reveal())).await, ann);
    assert_eq!(by_header(&it, &format!("bearer {}", ann_token.reveal())).await, ann);
    assert_eq!(it.authenticate(Credentials::default()).await, Ok(None), "nothing shown is anonymous");

    let wrong = Err(AuthError::Wrong);
    for header in [
        basic("ann", "wrong horse"),
        basic("ann", ""),
        basic("ann", bob_token.reveal()),
        basic("bob", ""),
        basic("bob", "correct horse"),
        basic("nobody", "correct horse"),
        basic("", "correct horse"),
        "Bearer stoop_x".to_owned(),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
    ] {
        assert_eq!(by_header(&it, &header).await, wrong, "{header}");
    }
    let long = format!("Bearer {}", "x".repeat(9000));
    for header in ["", "Basic", "Basic !!", "Basic YWJj", "Digest x", "stoop_x", long.as_str()] {
        let got = by_header(&it, header).await;
        assert!(matches!(got, Err(AuthError::Malformed(_))), "{header}: {got:?}");
    }
}

#[tokio::test]
async fn a_right_password_is_verified_once_and_a_wrong_one_never_remembered() {
    let it = authenticator(vec![user("ann", Role::Author, Some("correct horse"), &[])]);
    let count = || lock(&it.remembered).pairs.len();
    assert!(by_header(&it, &basic("ann", "wrong horse")).await.is_err());
    assert_eq!(count(), 0);
    assert!(by_header(&it, &basic("ann", "correct horse")).await.is_ok());
    assert_eq!(count(), 1);
    // With no permit left nothing can be verified any more; what is remembered needs none.
    let _all = it.waiting.try_acquire_many(WAITING as u32).expect("free");
    assert!(by_header(&it, &basic("ann", "correct horse")).await.is_ok());
    assert_eq!(by_header(&it, &basic("ann", "wrong horse")).await, Err(AuthError::Busy));
}

#[tokio::test]
async fn a_reload_forgets_what_was_verified() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("stoop.yaml");
    let write = |password: &str, role: &str| {
        let hash = PasswordHash::of(password).expect("hashed");
        let text = format!("users:\n- {{name: ann, roles: [{role}], password: {}}}\n", quoted(hash.as_str()));
        std::fs::write(&file, text).expect("written");
    };
    write("first password", "author");
    let config = Arc::new(SharedConfig::load(Some(file.clone()), None).expect("valid"));
    let it = Authenticator::new(config.clone()).expect("random");
    assert!(by_header(&it, &basic("ann", "first password")).await.is_ok());
    write("second password", "reader");
    config.reload().expect("valid");
    assert_eq!(by_header(&it, &basic("ann", "first password")).await, Err(AuthError::Wrong));
    let ann = by_header(&it, &basic("ann", "second password")).await.expect("right").expect("named");
    assert_eq!(ann.roles, [Role::Reader].into());
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

#[tokio::test]
async fn guessing_has_to_wait_but_the_one_who_is_in_does_not() {
    let it = authenticator(vec![user("ann", Role::Author, Some("correct horse"), &[])]);
    assert!(by_header(&it, &basic("ann", "correct horse")).await.is_ok());
    for _ in 0..5 {
        lock(&it.attempts).failed(&name("ann"), Instant::now() + Duration::from_secs(60));
    }
    let guess = by_header(&it, &basic("ann", "wrong horse")).await;
    assert!(matches!(guess, Err(AuthError::TooManyAttempts(_))), "{guess:?}");
    assert!(by_header(&it, &basic("ann", "correct horse")).await.is_ok());
}

#[tokio::test]
async fn certificates_name_configured_users_and_administrators() {
    let pki = tempfile::tempdir().expect("a directory");
    let authority = Authority::open(pki.path()).expect("made");
    let it = authenticator(vec![user("ann", Role::Author, None, &[])]);
    let shown = async |user: &str, group: Option<&str>| {
        let issued = authority.issue_client(&name(user), group).expect("issued");
        let der = der(&issued.certificate);
        it.authenticate(Credentials { peer_certificate: Some(&der), authorization: None }).await
    };
    let ann = shown("ann", None).await.expect("known").expect("named");
    assert_eq!(ann, Actor { name: name("ann"), roles: [Role::Author].into() });
    let admin = shown("root", Some(ADMIN_GROUP)).await.expect("known").expect("named");
    assert_eq!(admin.roles, [Role::Admin].into());
    assert_eq!(shown("eve", None).await, Err(AuthError::UnknownUser(name("eve"))));
    assert_eq!(shown("eve", Some("system:mistress")).await, Err(AuthError::UnknownUser(name("eve"))));
    let garbage = Credentials { peer_certificate: Some(b"garbage"), authorization: None };
    assert!(matches!(it.authenticate(garbage).await, Err(AuthError::Malformed(_))));
}

fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM").to_vec()
}
