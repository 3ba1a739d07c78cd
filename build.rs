//! Compiles the hook stub into a small static program that the daemon carries within itself, so that `cargo run` is enough.
//!
//! Never here: code for the daemon, and anything from the network.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"));
    println!("cargo::rerun-if-changed=hooks/src");
    println!("cargo::rerun-if-changed=build.rs");
    let stub = PathBuf::from(variable("OUT_DIR")).join("stub");
    let mut compile = Command::new(variable("RUSTC"));
    compile.current_dir(variable("CARGO_MANIFEST_DIR"));
    compile.args(["hooks/src/main.rs", "--crate-name", "stoop_hook_stub", "--crate-type", "bin", "--edition", "2024"]);
    // Not position-independent: with nothing to relocate, it starts in half the time, and it runs for every ref.
    let options =
        ["target-feature=+crt-static", "relocation-model=static", "opt-level=s", "panic=abort", "strip=symbols"];
    for option in options {
        compile.args(["-C", option]);
    }
    let target = variable("TARGET");
    if target != variable("HOST") {
        compile.args(["--target", &target]);
        let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        println!("cargo::rerun-if-env-changed={linker}");
        if let Ok(linker) = env::var(linker) {
            compile.args(["-C", &format!("linker={linker}")]);
        }
    }
    compile.arg("-o").arg(&stub);
    match compile.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("the hook stub does not compile ({status}): {compile:?}"),
        Err(error) => panic!("rustc cannot be run for the hook stub: {error}: {compile:?}"),
    }
}
