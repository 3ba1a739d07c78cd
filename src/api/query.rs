//! Query options, read strictly: one that is not known, or comes twice, or has a value that makes no sense, is refused.
//!
//! Never here: what the options mean for lists and watches (see `list_options`).

use axum::http::Uri;

use super::status::ApiError;

/// The options of a request, each at most once.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// Options that every request may carry and that change nothing here: `pretty`, and the client's own time limit.
const HARMLESS: [&str; 2] = ["pretty", "timeout"];

impl Query {
    /// Reads the options and refuses those not in `known`.
    pub(crate) fn parse(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| ApiError::bad_request(format!("the query of the request cannot be read: {error}")))?
            .0;
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in &pairs {
            if !known.contains(&key.as_str()) && !HARMLESS.contains(&key.as_str()) {
                let message = format!("this option is not understood here; known are {}", known.join(", "));
                return Err(ApiError::invalid_option(&shorten(key), value, &message));
            }
            if seen.contains(&key.as_str()) {
                return Err(ApiError::invalid_option(key, value, "the option is given more than once"));
            }
            seen.push(key);
        }
        Ok(Self(pairs))
    }

    /// An option's text; an empty one counts as not given.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A yes or no.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.text(key) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid_option(key, other, "must be true or false")),
        }
    }

    /// A number of at least 0.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ApiError::invalid_option(key, text, "must be a number of at least 0"))
    }

    /// One of a few words.
    pub(crate) fn word<'w>(&self, key: &str, words: &[&'w str]) -> Result<Option<&'w str>, ApiError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Some(word)),
            None => {
                let message = format!("supported values are {}", words.join(", "));
                Err(ApiError::invalid_option(key, text, &message))
            }
        }
    }

    /// Whether `dryRun=All` is asked for.
    pub(crate) fn dry_run(&self) -> Result<bool, ApiError> {
        Ok(self.word("dryRun", &["All"])?.is_some())
    }
}

fn shorten(key: &str) -> String {
    key.chars().take(80).collect()
}
