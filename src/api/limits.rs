//! What every request passes: a time limit (not for watches), and a word to the metrics.
//!
//! Never here: the limit on bodies (see `target`), and keeping figures.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::ApiState;
use super::status::ApiError;

/// How long a request that is no watch may take until its answer begins.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What the metrics hear of one request, when its answer begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The route's pattern, so that names do not become labels; `unmatched` for paths that are not served.
    pub route: &'a str,
    /// Whether it is a watch.
    pub watch: bool,
    /// The HTTP status.
    pub code: u16,
    /// Seconds until the answer began.
    pub seconds: f64,
}

/// Applies the time limit and tells the metrics.
pub(crate) async fn limit<P: Send + Sync + 'static>(
    State(state): State<ApiState<P>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let watch = is_watch(request.uri().query().unwrap_or_default());
    let response = if watch {
        next.run(request).await
    } else {
        match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ApiError::timeout(TIME_LIMIT.as_secs()).into(),
        }
    };
    (state.observe)(&Observation {
        method: method.as_str(),
        route: route.as_deref().unwrap_or("unmatched"),
        watch,
        code: response.status().as_u16(),
        seconds: begun.elapsed().as_secs_f64(),
    });
    response
}

fn is_watch(query: &str) -> bool {
    query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1")
}
