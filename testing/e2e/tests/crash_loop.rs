//! The short form of `cargo xtask crash-loop`, with a server built for it.

use std::path::PathBuf;
use std::process::Command;

use lockkeeper_e2e::{crash_loop, ours};

/// The binary that the environment names, or the workspace's own as it is now.
fn binary() -> PathBuf {
    if let Some(named) = ours::binary() {
        return named;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--quiet",
        "--locked",
        "--package",
        "lockkeeper-server",
    ]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = build.status().expect("cargo runs");
    assert!(status.success(), "the server cannot be built: {status}");
    // This test lies in `deps`, beside which the programs are.
    let own = std::env::current_exe().expect("the path of this test");
    let folder = own.parent().and_then(|deps| deps.parent());
    folder.expect("a target folder").join("lockkeeper-server")
}

#[test]
fn ten_kills_lose_nothing_acknowledged() {
    for seed in [1, 2] {
        let report = crash_loop::run(&binary(), 5, seed);
        let report = report.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        println!("seed {seed}: {report}");
        assert!(report.acknowledged >= 5 && report.snapshots > 0, "{report}");
    }
}
