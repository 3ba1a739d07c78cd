//! Probes and metrics: `/healthz`, `/livez`, `/readyz` in the manner of kube-apiserver, and `/metrics`.
//!
//! Never here: what makes the daemon ready; the wiring brings that check.

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::ApiState;

/// Whether the process answers at all.
pub(crate) async fn live(uri: Uri) -> Response {
    report(uri.query(), "livez", &[("ping", Ok(()))])
}

/// Whether requests can be served.
pub(crate) async fn ready<P>(State(state): State<ApiState<P>>, uri: Uri) -> Response {
    let shutdown = if state.shutdown.is_cancelled() { Err("the daemon is shutting down".to_owned()) } else { Ok(()) };
    report(uri.query(), "readyz", &[("ping", Ok(())), ("repositories", (state.readiness)()), ("shutdown", shutdown)])
}

/// The same as `/readyz`, under its old name.
pub(crate) async fn health<P>(State(state): State<ApiState<P>>, uri: Uri) -> Response {
    report(uri.query(), "healthz", &[("ping", Ok(())), ("repositories", (state.readiness)())])
}

fn report(query: Option<&str>, endpoint: &str, checks: &[(&str, Result<(), String>)]) -> Response {
    let verbose =
        query.is_some_and(|query| query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose=")));
    let failed = checks.iter().any(|(_, result)| result.is_err());
    if !failed && !verbose {
        return plain(StatusCode::OK, "ok".to_owned());
    }
    let mut text = String::new();
    for (name, result) in checks {
        match result {
            Ok(()) => text.push_str(&format!("[+]{name} ok\n")),
            Err(why) => text.push_str(&format!("[-]{name} failed: {why}\n")),
        }
    }
    let verdict = if failed { "failed" } else { "passed" };
    text.push_str(&format!("{endpoint} check {verdict}\n"));
    plain(if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }, text)
}

/// Prometheus metrics, as the wiring writes them.
pub(crate) async fn metrics<P>(State(state): State<ApiState<P>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (state.metrics)()).into_response()
}

fn plain(code: StatusCode, text: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (code, headers, text).into_response()
}
