//! Everything that is counted and measured, as Prometheus reads it.
//!
//! Labels come only from fixed sets, so the number of series is bounded. All times are seconds.
//! Never here: serving `/metrics`, and names of users, repositories or packages in labels.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::{Door, Known, PushVerdict, RescanFinding};
use crate::domain::refusal::Code;

/// The content type of `Metrics::encode`.
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper ends of the buckets of every histogram, in seconds: from a hook's answer to a lease that timed out.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfVerdict {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRefusal {
    door: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    verb: &'static str,
    resource: &'static str,
    code: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAction {
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDoor {
    door: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHook {
    hook: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKnown {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFinding {
    kind: &'static str,
}

/// Makes the histograms of a family.
#[derive(Debug, Clone, Copy)]
struct Times;

impl MetricConstructor<Histogram> for Times {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

type TimesBy<L> = Family<L, Histogram, Times>;

/// Everything that is counted and measured.
pub struct Metrics {
    registry: Registry,
    pushes: Family<OfVerdict, Counter>,
    refusals: Family<OfRefusal, Counter>,
    policy_reports: Family<OfRefusal, Counter>,
    glass_broken: Family<OfDoor, Counter>,
    api_requests: Family<OfRequest, Counter>,
    transitions: Family<OfAction, Counter>,
    transition_seconds: TimesBy<OfDoor>,
    hook_seconds: TimesBy<OfHook>,
    lease_waits: Family<OfDoor, Counter>,
    lease_seconds: Histogram,
    index_lag_seconds: TimesBy<OfKnown>,
    refresh_seconds: Histogram,
    rescan_seconds: Histogram,
    rescan_findings: Family<OfFinding, Counter>,
    announcements: Family<OfOutcome, Counter>,
    last_rescan: Gauge<f64, AtomicU64>,
    cache_hits: Counter,
    cache_misses: Counter,
    ledger_appends: Counter,
    /// Repositories whose other hooks have not taken what they were told; they are told again.
    pub announcing_again: Gauge,
    /// Package revisions that the index holds.
    pub index_revisions: Gauge,
    /// Refs that are not as the ledger says.
    pub findings: Gauge,
    /// Repositories that are served.
    pub repositories: Gauge,
    /// Rescans of all repositories that were done.
    pub rescans: Counter,
    /// Hints that something changed on disk, and that wait to be followed.
    pub hints_waiting: Gauge,
    /// API watches that are open.
    pub watchers: Gauge,
    /// API watches that were ended because their client was too slow.
    pub watchers_dropped: Counter,
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
            registry: Registry::default(),
            pushes: Family::default(),
            refusals: Family::default(),
            policy_reports: Family::default(),
            glass_broken: Family::default(),
            api_requests: Family::default(),
            transitions: Family::default(),
            transition_seconds: TimesBy::new_with_constructor(Times),
            hook_seconds: TimesBy::new_with_constructor(Times),
            lease_waits: Family::default(),
            lease_seconds: Times.new_metric(),
            index_lag_seconds: TimesBy::new_with_constructor(Times),
            refresh_seconds: Times.new_metric(),
            rescan_seconds: Times.new_metric(),
            rescan_findings: Family::default(),
            announcements: Family::default(),
            last_rescan: Gauge::default(),
            cache_hits: Counter::default(),
            cache_misses: Counter::default(),
            ledger_appends: Counter::default(),
            announcing_again: Gauge::default(),
            index_revisions: Gauge::default(),
            findings: Gauge::default(),
            repositories: Gauge::default(),
            rescans: Counter::default(),
            hints_waiting: Gauge::default(),
            watchers: Gauge::default(),
            watchers_dropped: Counter::default(),
        };
        it.registry = it.registered();
        it
    }

    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("stoop");
        let to = &mut registry;
        to.register("pushes", "Pushes judged, by verdict", self.pushes.clone());
        to.register("refusals", "Refs and requests refused, by door and code", self.refusals.clone());
        let help = "What rules of the policy that only report would have refused, by door and code";
        to.register("policy_reports", help, self.policy_reports.clone());
        let help = "Changes for which an administrator went past the policy, by door";
        to.register("glass_broken", help, self.glass_broken.clone());
        to.register("api_requests", "API requests answered", self.api_requests.clone());
        to.register("transitions", "Lifecycle transitions completed, by action", self.transitions.clone());
        let help = "From the decision on a transition to its completion";
        to.register("transition_seconds", help, self.transition_seconds.clone());
        to.register("hook_seconds", "Time to answer a hook, by hook", self.hook_seconds.clone());
        let help = "Changes refused because a push holds their package, by door";
        to.register("lease_waits", help, self.lease_waits.clone());
        to.register("lease_seconds", "How long pushes held their packages", self.lease_seconds.clone());
        let help = "From the word that refs moved to the view that shows it, by who told";
        to.register("index_lag_seconds", help, self.index_lag_seconds.clone());
        to.register("refresh_seconds", "Reading what moved in one repository", self.refresh_seconds.clone());
        to.register("rescan_seconds", "Rescanning all repositories", self.rescan_seconds.clone());
        let help = "What rescans came upon that nobody had told of, by kind";
        to.register("rescan_findings", help, self.rescan_findings.clone());
        let help = "What the other post-receive hooks were told of what Stoop moved, by outcome";
        to.register("announcements", help, self.announcements.clone());
        let help = "Repositories whose other hooks did not take what they were told, and are told again";
        to.register("announcing_again", help, self.announcing_again.clone());
        let help = "When all repositories were last rescanned without a failure, in seconds since 1970";
        to.register("last_rescan_timestamp_seconds", help, self.last_rescan.clone());
        to.register("cache_hits", "Values found in the cache", self.cache_hits.clone());
        to.register("cache_misses", "Values that had to be read from Git", self.cache_misses.clone());
        to.register("ledger_appends", "Commits written to ledgers", self.ledger_appends.clone());
        to.register("index_revisions", "Package revisions in the index", self.index_revisions.clone());
        let help = "Refs that are not as the ledger says, as stoop audit shows them";
        to.register("audit_findings", help, self.findings.clone());
        to.register("repositories", "Repositories served", self.repositories.clone());
        to.register("rescans", "Rescans of all repositories", self.rescans.clone());
        to.register("hints_waiting", "Hints of changes on disk not followed yet", self.hints_waiting.clone());
        to.register("watchers", "Open API watches", self.watchers.clone());
        to.register("watchers_dropped", "API watches ended for a slow client", self.watchers_dropped.clone());
        registry
    }

    /// Counts a push.
    pub fn push(&self, verdict: PushVerdict) {
        self.pushes.get_or_create(&OfVerdict { verdict: verdict.as_str() }).inc();
    }

    /// Counts a refusal.
    pub fn refusal(&self, door: Door, code: Code) {
        self.refusals.get_or_create(&OfRefusal { door: door.as_str(), code: code.as_str() }).inc();
    }

    /// Counts what a rule of the policy that only reports would have refused.
    pub fn reported(&self, door: Door, code: Code) {
        self.policy_reports.get_or_create(&OfRefusal { door: door.as_str(), code: code.as_str() }).inc();
    }

    /// Counts a change for which the glass was broken.
    pub fn glass_broken(&self, door: Door) {
        self.glass_broken.get_or_create(&OfDoor { door: door.as_str() }).inc();
    }

    /// Counts an answered API request. Verb and resource are ours, never the client's text.
    pub fn api_request(&self, verb: &'static str, resource: &'static str, code: u16) {
        self.api_requests.get_or_create(&OfRequest { verb, resource, code: code.into() }).inc();
    }

    /// Counts a completed transition, with the time since it was decided.
    pub fn transition(&self, door: Door, action: &'static str, since_decided: Duration) {
        self.transitions.get_or_create(&OfAction { action }).inc();
        self.transition_seconds.get_or_create(&OfDoor { door: door.as_str() }).observe(since_decided.as_secs_f64());
    }

    /// Notes how long a hook waited for its answer. The hook's name is ours.
    pub fn hook(&self, hook: &'static str, took: Duration) {
        self.hook_seconds.get_or_create(&OfHook { hook }).observe(took.as_secs_f64());
    }

    /// Counts a change that was refused because a push holds the package.
    pub fn lease_wait(&self, door: Door) {
        self.lease_waits.get_or_create(&OfDoor { door: door.as_str() }).inc();
    }

    /// Notes how long a lease lasted.
    pub fn lease_ended(&self, lasted: Duration) {
        self.lease_seconds.observe(lasted.as_secs_f64());
    }

    /// Notes how long it took from the word that refs moved until the view showed it.
    pub fn index_lag(&self, by: Known, took: Duration) {
        self.index_lag_seconds.get_or_create(&OfKnown { by: by.as_str() }).observe(took.as_secs_f64());
    }

    /// Notes how long the reading of one repository took.
    pub fn refreshed(&self, took: Duration) {
        self.refresh_seconds.observe(took.as_secs_f64());
    }

    /// Counts a rescan of all repositories; one without a failure moves the time of the last good one.
    pub fn rescanned(&self, took: Duration, without_failure: bool) {
        self.rescans.inc();
        self.rescan_seconds.observe(took.as_secs_f64());
        if without_failure {
            self.last_rescan.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        }
    }

    /// Counts what a rescan came upon.
    pub fn found(&self, kind: RescanFinding) {
        self.rescan_findings.get_or_create(&OfFinding { kind: kind.as_str() }).inc();
    }

    /// Counts what another `post-receive` hook was told, and whether it took it.
    pub fn announced(&self, taken: bool) {
        let outcome = if taken { "told" } else { "failed" };
        self.announcements.get_or_create(&OfOutcome { outcome }).inc();
    }

    /// Takes over what the index counted since the daemon began: cache hits, cache misses, commits written to ledgers.
    pub fn index_counted(&self, hits: u64, misses: u64, ledger_appends: u64) {
        self.cache_hits.inner().store(hits, Ordering::Relaxed);
        self.cache_misses.inner().store(misses, Ordering::Relaxed);
        self.ledger_appends.inner().store(ledger_appends, Ordering::Relaxed);
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
        metrics.refusal(Door::Git, Code::StaleBase);
        metrics.refusal(Door::Api, Code::StaleBase);
        metrics.reported(Door::Git, Code::FourEyes);
        metrics.glass_broken(Door::Api);
        metrics.api_request("list", "packagerevisions", 200);
        metrics.transition(Door::Api, "approve", Duration::from_millis(30));
        metrics.hook("pre-receive", Duration::from_millis(3));
        metrics.lease_wait(Door::Api);
        metrics.lease_ended(Duration::from_secs(100));
        metrics.index_lag(Known::File, Duration::from_millis(1));
        metrics.refreshed(Duration::from_micros(10));
        metrics.rescanned(Duration::from_secs(1), true);
        metrics.found(RescanFinding::Leftover);
        metrics.announced(true);
        metrics.announced(false);
        metrics.announcing_again.set(1);
        metrics.index_counted(5, 6, 7);
        metrics.index_revisions.set(93);
        metrics.watchers.inc();
        metrics.watchers_dropped.inc();
        let text = metrics.encode();
        for line in [
            "stoop_pushes_total{verdict=\"allowed\"} 1",
            "stoop_pushes_total{verdict=\"refused\"} 2",
            "stoop_refusals_total{door=\"git\",code=\"stale-base\"} 1",
            "stoop_refusals_total{door=\"api\",code=\"stale-base\"} 1",
            "stoop_policy_reports_total{door=\"git\",code=\"four-eyes\"} 1",
            "stoop_glass_broken_total{door=\"api\"} 1",
            "stoop_api_requests_total{verb=\"list\",resource=\"packagerevisions\",code=\"200\"} 1",
            "stoop_transitions_total{action=\"approve\"} 1",
            "stoop_transition_seconds_bucket{le=\"0.05\",door=\"api\"} 1",
            "stoop_hook_seconds_count{hook=\"pre-receive\"} 1",
            "stoop_lease_waits_total{door=\"api\"} 1",
            "stoop_lease_seconds_bucket{le=\"60.0\"} 0",
            "stoop_lease_seconds_bucket{le=\"300.0\"} 1",
            "stoop_index_lag_seconds_count{by=\"file\"} 1",
            "stoop_refresh_seconds_count 1",
            "stoop_rescan_seconds_count 1",
            "stoop_rescan_findings_total{kind=\"leftover\"} 1",
            "stoop_announcements_total{outcome=\"told\"} 1",
            "stoop_announcements_total{outcome=\"failed\"} 1",
            "stoop_announcing_again 1",
            "stoop_cache_hits_total 5",
            "stoop_cache_misses_total 6",
            "stoop_ledger_appends_total 7",
            "stoop_index_revisions 93",
            "stoop_rescans_total 1",
            "stoop_watchers 1",
            "stoop_watchers_dropped_total 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(text.contains("\nstoop_last_rescan_timestamp_seconds 1"), "{text}");
        let before = metrics.last_rescan.get();
        metrics.rescanned(Duration::from_secs(1), false);
        assert!(metrics.last_rescan.get() == before && metrics.rescans.get() == 2);
    }
}
