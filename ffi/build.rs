//! What the shared library is linked with, however it is built.

#![forbid(unsafe_code)]

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Unloading would pull the code from under the library's threads.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
