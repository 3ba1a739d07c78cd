//! Kubeconfig files: what kubectl needs to reach the API as one user.
//!
//! Never here: deciding who gets one; whoever can read `STATE/pki` can make any.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::authority::{Authority, AuthorityError, at};
use super::private_file;
use crate::domain::names::UserName;

/// The user of the kubeconfig that Stoop writes on start.
pub const ADMIN: &str = "stoop-admin";
/// The organisation of a client certificate that means the role admin, as in Kubernetes.
pub const ADMIN_GROUP: &str = "system:masters";

/// The text of a kubeconfig for that user, with a new client certificate. `server` is the API's address, `https://…`.
///
/// # Errors
/// The certificate could not be made.
pub fn kubeconfig(
    authority: &Authority,
    server: &str,
    user: &UserName,
    group: Option<&str>,
) -> Result<String, AuthorityError> {
    let client = authority.issue_client(user, group)?;
    // A JSON string is a YAML string, whatever is in it.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    Ok(format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: stoop\nclusters:\n- name: stoop\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\nusers:\n- name: {user}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\ncontexts:\n- name: stoop\n  context:\n    cluster: stoop\n    namespace: default\n    user: {user}\n",
        server = quoted(server),
        ca = STANDARD.encode(authority.pem()),
        user = quoted(user.as_str()),
        certificate = STANDARD.encode(&client.certificate),
        key = STANDARD.encode(&client.key),
    ))
}

/// Writes the administrator's kubeconfig to that file, mode 0600.
///
/// # Errors
/// The certificate could not be made, or the file not written.
pub fn write_admin_kubeconfig(authority: &Authority, server: &str, file: &Path) -> Result<(), AuthorityError> {
    let admin = UserName::parse(ADMIN).map_err(|_| AuthorityError::BadName(ADMIN.to_owned()))?;
    let text = kubeconfig(authority, server, &admin, Some(ADMIN_GROUP))?;
    private_file::write(file, &text).map_err(|error| at(file, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_and_holds_what_kubectl_reads() {
        let state = tempfile::tempdir().expect("a directory");
        let authority = Authority::open(&state.path().join("pki")).expect("made");
        let file = state.path().join("kubeconfig");
        write_admin_kubeconfig(&authority, "https://127.0.0.1:1234", &file).expect("written");
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).expect("read");
        let parsed: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(parsed["clusters"][0]["cluster"]["server"], "https://127.0.0.1:1234");
        assert_eq!(parsed["users"][0]["name"], ADMIN);
        let key = parsed["users"][0]["user"]["client-key-data"].as_str().expect("a key");
        assert!(STANDARD.decode(key).expect("base64").starts_with(b"-----BEGIN PRIVATE KEY-----"));
        let odd = UserName::parse("a\": {x: y}").expect("a name");
        let text = kubeconfig(&authority, "https://h", &odd, None).expect("made");
        let parsed: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(parsed["contexts"][0]["context"]["user"], "a\": {x: y}");
    }
}
