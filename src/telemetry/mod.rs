//! What Stoop tells of itself: structured logs on stderr, and Prometheus metrics.
//!
//! Never here: serving `/metrics`, names of users or packages in labels, secrets anywhere.

mod labels;
mod logs;
mod metrics;

pub use labels::{Door, Known, PushVerdict, RescanFinding};
pub use logs::{LogError, LogFormat, init_logging};
pub use metrics::{METRICS_CONTENT_TYPE, Metrics};
