//! Field selectors: equality of the fields that a kind declares selectable, as in Porch.
//!
//! Deliberately stricter than Porch where it guesses: a package name matches exactly, and `spec.revision=0` selects drafts
//! and proposals instead of everything.
//! Never here: label selectors (see `label_selector`).

use super::objects::package_revision::package_label;
use super::resource::Resource;
use super::status::ApiError;

/// A parsed field selector; the empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<(String, String)>);

impl FieldSelector {
    /// Parses a selector for a kind; a field or operator that is not known gets a 400.
    pub(crate) fn parse<R: Resource>(text: &str) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for term in split(text).filter(|term| !term.trim().is_empty()) {
            let (field, operator, value) = parts(&term).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "invalid field selector {text:?}: {term:?} is no term of the form field=value"
                ))
            })?;
            if !is_known::<R>(&field) {
                return Err(ApiError::bad_request(format!(
                    "{field:?} is not a known field selector: only metadata.name, metadata.namespace{}{}",
                    if R::FIELDS.is_empty() { "" } else { ", " },
                    R::FIELDS.join(", ")
                )));
            }
            if operator == "!=" {
                return Err(ApiError::bad_request(format!(
                    "unsupported fieldSelector operator \"!=\" for field {field:?}"
                )));
            }
            if value.is_empty() {
                return Err(ApiError::bad_request(format!(
                    "unsupported fieldSelector value \"\" for field {field:?} with operator {operator:?}"
                )));
            }
            R::check_field(&field, &value)?;
            terms.push((field, value));
        }
        Ok(Self(terms))
    }

    /// Whether an object matches.
    pub(crate) fn matches<R: Resource>(&self, item: &R::Item) -> bool {
        self.0.iter().all(|(field, value)| match field.as_str() {
            "metadata.name" => R::key(item).1 == value,
            "metadata.namespace" => R::key(item).0 == value,
            field => R::field(item, field).is_some_and(|have| have == *value),
        })
    }
}

fn is_known<R: Resource>(field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace")
        || R::FIELDS.contains(&field)
        || (!R::FIELDS.is_empty() && package_label(field).is_some())
}

/// Splits at commas that no backslash escapes; the escapes stay.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !escaped {
            terms.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(term) = terms.last_mut() {
            term.push(c);
        }
    }
    terms.into_iter()
}

/// Field, operator and unescaped value of a term. The operator is the first one outside of brackets.
fn parts(term: &str) -> Option<(String, &'static str, String)> {
    let mut depth = 0;
    for (at, c) in term.char_indices() {
        let rest = &term[at..];
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth > 0 => {}
            '!' | '=' => {
                let operator = ["!=", "==", "="].into_iter().find(|operator| rest.starts_with(operator))?;
                let value = unescape(rest[operator.len()..].trim())?;
                let field = term[..at].trim();
                return (!field.is_empty()).then(|| (field.to_owned(), operator, value));
            }
            _ => {}
        }
    }
    None
}

fn unescape(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|c| matches!(c, '\\' | ',' | '='))?),
            '=' | ',' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::objects::package_revision::PackageRevisions;
    use crate::api::objects::repository::Repositories;

    #[test]
    fn terms_are_read_and_what_is_not_known_is_refused() {
        let good = |text: &str| FieldSelector::parse::<PackageRevisions>(text);
        let terms = |pairs: &[(&str, &str)]| {
            Ok(FieldSelector(pairs.iter().map(|(f, v)| ((*f).to_owned(), (*v).to_owned())).collect()))
        };
        assert_eq!(good(""), terms(&[]));
        assert_eq!(
            good("spec.lifecycle=Draft,metadata.name==a.b.c"),
            terms(&[("spec.lifecycle", "Draft"), ("metadata.name", "a.b.c")])
        );
        assert_eq!(
            good("spec.packageMetadata.labels[a/b]=x\\,y"),
            terms(&[("spec.packageMetadata.labels[a/b]", "x,y")])
        );
        for text in [
            "spec.nope=1",
            "spec.lifecycle!=Draft",
            "spec.lifecycle=",
            "spec.lifecycle=draft",
            "spec.revision=v1",
            "metadata.name",
            "=x",
            "spec.packageMetadata.labels[]=x",
            "metadata.name=a=b",
        ] {
            assert_eq!(good(text).map_err(|e| e.code().as_u16()), Err(400), "{text}");
        }
        let error = FieldSelector::parse::<Repositories>("spec.repository=x").map_err(|e| e.message().to_owned());
        assert_eq!(
            error,
            Err("\"spec.repository\" is not a known field selector: only metadata.name, metadata.namespace".to_owned())
        );
    }
}
