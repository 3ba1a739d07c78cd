//! Kptfiles and other YAML of a package, byte for byte as pushed.

use stoop::krm::kptfile::{self, Kptfile};
use stoop::krm::yaml;

/// The input is the file.
pub fn run(data: &[u8]) {
    let read = kptfile::read(data);
    match &read {
        Ok(reading) => {
            assert!(kptfile::is_yaml(data), "a Kptfile is YAML");
            assert!(reading.unknown.len() <= 10);
            assert!(reading.unknown.iter().all(|field| field.len() < 1000), "what is shown of a field is short");
            let kept = serde_json::to_vec(&reading.kptfile).expect("a summary can be kept");
            let again: Kptfile = serde_json::from_slice(&kept).expect("what is kept can be read");
            assert_eq!(again, reading.kptfile, "the cache gives back what was put into it");
        }
        Err(error) => assert!(error.to_string().len() < 2000, "an error is a sentence, not the file"),
    }
    assert_eq!(kptfile::read(data), read, "reading twice gives the same");
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(read.is_err() && !kptfile::is_yaml(data));
        return;
    };
    let value = yaml::read::<serde_yaml::Value>(text);
    if value.is_ok() {
        assert_eq!(yaml::check(text), Ok(()), "one document is some documents");
    }
    let marked = format!("\u{feff}{text}");
    if !text.starts_with('\u{feff}') {
        assert_eq!(kptfile::read(marked.as_bytes()), read, "a byte order mark changes nothing");
    }
    assert_eq!(kptfile::is_yaml(data), !matches!(yaml::check(text), Err(yaml::YamlError::Broken(_))));
}
