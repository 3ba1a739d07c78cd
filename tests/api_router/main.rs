//! The API's router over a catalog filled by hand: what clients read, write and watch, without a daemon.

mod contents;
mod fake;
mod kube_client;
mod kubectl;
mod reads;
mod schemas;
mod watches;
mod writes;

/// Compares with a golden file in `tests/goldens`.
fn golden(name: &str, text: &str) {
    insta::with_settings!({snapshot_path => "../goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, text);
    });
}
