//! What Stoop tells of itself: structured logs on stderr, and Prometheus metrics.
//!
//! Never here: serving `/metrics`, names of users or packages in labels, secrets anywhere.

mod logs;
mod metrics;

pub use logs::{LogError, LogFormat, init_logging};
pub use metrics::{Door, Known, METRICS_CONTENT_TYPE, Metrics, PushVerdict, RescanFinding};
