//! Java: Maven to fetch and compile, `java` to run.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::prepare;

/// A JVM for something small: little memory, no time spent on optimising.
const SMALL: &[&str] = &["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// The JVM that `zkServer.sh` starts: the one limit it sets, all else as the JVM chooses.
const SHIPPED: &[&str] = &["-Xmx1000m"];

/// A JVM for something small.
pub fn vm(class_path: &[PathBuf]) -> Command {
    vm_with(SMALL, class_path)
}

/// A JVM for Apache's server as its own script starts it.
pub(crate) fn shipped_vm(class_path: &[PathBuf]) -> Command {
    vm_with(SHIPPED, class_path)
}

fn vm_with(options: &[&str], class_path: &[PathBuf]) -> Command {
    let mut joined = std::ffi::OsString::new();
    for (i, path) in class_path.iter().enumerate() {
        if i > 0 {
            joined.push(":");
        }
        joined.push(path);
    }
    let mut command = Command::new("java");
    command.args(options).arg("-cp").arg(joined);
    command
}

/// Maven on one of the checked-in projects, quiet and without questions.
pub fn maven(pom: &Path) -> Command {
    let mut command = Command::new("mvn");
    command.args(["-q", "-B", "-f"]).arg(pom);
    command
}

/// A program of `java/peers`, compiled if its sources have changed.
///
/// The class may also be one of the libraries there, such as `org.apache.zookeeper.ZooKeeperMain`.
pub fn peer(class: &str) -> io::Result<Command> {
    peer_with(SMALL, class)
}

/// As [`peer`], by a JVM that chooses its own options: for whoever measures.
pub fn peer_as_shipped(class: &str) -> io::Result<Command> {
    peer_with(&[], class)
}

fn peer_with(options: &[&str], class: &str) -> io::Result<Command> {
    let output = prepare_peers()?;
    let mut command = vm_with(options, &[output.join("classes"), output.join("lib/*")]);
    command.arg(class);
    Ok(command)
}

/// Compiles the Java peers; returns the folder with `classes` and `lib`.
pub fn prepare_peers() -> io::Result<PathBuf> {
    let project = prepare::sources().join("java/peers");
    let pom = project.join("pom.xml");
    prepare::once("java", &[pom.clone(), project.join("src")], |output| {
        let mut command = maven(&pom);
        command.arg(format!("-Dpeers.out={}", output.display()));
        command.arg(format!(
            "-DoutputDirectory={}",
            output.join("lib").display()
        ));
        command.args(["compile", "dependency:copy-dependencies"]);
        prepare::run(&mut command)
    })
}
