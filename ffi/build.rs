//! The name under which programs find the shared library at run time: it carries the number of the
//! ABI and not that of the crate.

#![forbid(unsafe_code)]

/// The same number as `LK_ABI_VERSION`.
const ABI_VERSION: u32 = 0;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblockkeeper.so.{ABI_VERSION}");
        // Unloading would pull the code from under the library's threads.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
