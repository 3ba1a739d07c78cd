//! What Stoop tells of itself: structured logs on stderr, and Prometheus metrics.
//!
//! Labels come only from fixed sets, so the number of series is bounded.
//! Never here: serving `/metrics`, names of users or packages in labels, secrets anywhere.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::domain::refusal::Code;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is no filter.
    #[error("the log filter {0:?} cannot be read: {1}; write one as in info or stoop=debug,warn")]
    Filter(String, tracing_subscriber::filter::ParseError),
    /// It was done before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends the process's logs to stderr. `filter` is in the form of `RUST_LOG`, for example `info` or `stoop=debug,warn`.
///
/// # Errors
/// The filter cannot be read, or logging is set up already.
pub fn init_logging(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| LogError::Filter(filter.to_owned(), error))?;
    // An event that cannot be written (a full disk under the log) is lost; telling of that, on stderr, would be a panic.
    let builder =
        tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogError::Twice)
}

/// The content type of `Metrics::encode`.
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalCode {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiRequest {
    verb: &'static str,
    resource: &'static str,
    code: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

/// How a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushVerdict {
    /// Every ref was let through.
    Allowed,
    /// At least one ref was refused, and so the push.
    Refused,
    /// Stoop itself failed, so the push was refused.
    Failed,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    pushes: Family<Verdict, Counter>,
    refusals: Family<RefusalCode, Counter>,
    api_requests: Family<ApiRequest, Counter>,
    transitions: Family<Action, Counter>,
    /// Package revisions that the index holds.
    pub index_revisions: Gauge,
    /// Rescans of a repository that were done.
    pub rescans: Counter,
    /// API watches that are open.
    pub watchers: Gauge,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(…)")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics of their own registry, all at zero.
    pub fn new() -> Self {
        let mut it = Self {
            registry: Registry::with_prefix("stoop"),
            pushes: Family::default(),
            refusals: Family::default(),
            api_requests: Family::default(),
            transitions: Family::default(),
            index_revisions: Gauge::default(),
            rescans: Counter::default(),
            watchers: Gauge::default(),
        };
        let registry = &mut it.registry;
        registry.register("pushes", "Pushes judged, by verdict", it.pushes.clone());
        registry.register("refusals", "Refs and requests refused, by code", it.refusals.clone());
        registry.register("api_requests", "API requests answered", it.api_requests.clone());
        registry.register("transitions", "Lifecycle transitions completed, by action", it.transitions.clone());
        registry.register("index_revisions", "Package revisions in the index", it.index_revisions.clone());
        registry.register("rescans", "Rescans of a repository", it.rescans.clone());
        registry.register("watchers", "Open API watches", it.watchers.clone());
        it
    }

    /// Counts a push.
    pub fn push(&self, verdict: PushVerdict) {
        let verdict = match verdict {
            PushVerdict::Allowed => "allowed",
            PushVerdict::Refused => "refused",
            PushVerdict::Failed => "failed",
        };
        self.pushes.get_or_create(&Verdict { verdict }).inc();
    }

    /// Counts a refusal.
    pub fn refusal(&self, code: Code) {
        self.refusals.get_or_create(&RefusalCode { code: code.as_str() }).inc();
    }

    /// Counts an answered API request. Verb and resource are ours, never the client's text.
    pub fn api_request(&self, verb: &'static str, resource: &'static str, code: u16) {
        self.api_requests.get_or_create(&ApiRequest { verb, resource, code: code.into() }).inc();
    }

    /// Counts a completed transition.
    pub fn transition(&self, action: &'static str) {
        self.transitions.get_or_create(&Action { action }).inc();
    }

    /// The OpenMetrics text for `/metrics`, of type `METRICS_CONTENT_TYPE`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail; should the encoder, a scrape sees no end mark and knows.
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new();
        metrics.push(PushVerdict::Allowed);
        metrics.push(PushVerdict::Refused);
        metrics.push(PushVerdict::Refused);
        metrics.refusal(Code::StaleBase);
        metrics.api_request("list", "packagerevisions", 200);
        metrics.transition("approve");
        metrics.index_revisions.set(93);
        metrics.rescans.inc();
        metrics.watchers.inc();
        let text = metrics.encode();
        for line in [
            "stoop_pushes_total{verdict=\"allowed\"} 1",
            "stoop_pushes_total{verdict=\"refused\"} 2",
            "stoop_refusals_total{code=\"stale-base\"} 1",
            "stoop_api_requests_total{verb=\"list\",resource=\"packagerevisions\",code=\"200\"} 1",
            "stoop_transitions_total{action=\"approve\"} 1",
            "stoop_index_revisions 93",
            "stoop_rescans_total 1",
            "stoop_watchers 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_broken_filter_is_told() {
        let error = init_logging(LogFormat::Text, "stoop=loud").expect_err("no such level").to_string();
        assert!(error.contains("\"stoop=loud\"") && error.contains("stoop=debug,warn"), "{error}");
    }
}
