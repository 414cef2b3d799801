//! `header`: makes `ffi/include/lockkeeper.h` from the sources of `ffi`.
//!
//! Made by cbindgen from a list of files, in the order of the list, so that the header reads from
//! settings to guards. The result is kept in the repository: whoever compiles C needs no Rust, and
//! a change of the surface is seen in review. `--verify` compares instead of writing.

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config, DocumentationStyle, Language, SortKey, Style};

use crate::run::{Result, root};

const HEADER: &str = "ffi/include/lockkeeper.h";

/// The files with exported items.
const SOURCES: [&str; 25] = [
    "version",
    "text",
    "status",
    "error",
    "config",
    "connection",
    "ops",
    "member",
    "result",
    "callback",
    "call",
    "lock",
    "rwlock",
    "semaphore",
    "election",
    "candidate",
    "guard",
    "barrier",
    "double_barrier",
    "latch",
    "rendezvous",
    "value",
    "publish",
    "follow",
    "group",
];

/// What cbindgen cannot make: constants that are computed.
const VERSION_NUMBER: &str = "\
/** The version of this header, `0xMMmmpp00`. */
#define LK_VERSION_NUMBER \\
  ((uint32_t)LK_VERSION_MAJOR << 24 | (uint32_t)LK_VERSION_MINOR << 16 | \\
   (uint32_t)LK_VERSION_PATCH << 8)
";

/// Writes the header.
pub(crate) fn write() -> Result<()> {
    let text = generate()?;
    fs::write(root().join(HEADER), text)?;
    println!("header: {HEADER} written");
    Ok(())
}

/// Compares the header in the repository with what the sources give.
pub(crate) fn verify() -> Result<()> {
    if fs::read_to_string(root().join(HEADER))? == generate()? {
        println!("header: {HEADER} is up to date");
        return Ok(());
    }
    Err(format!("{HEADER} differs from the sources: run `cargo xtask header`").into())
}

fn generate() -> Result<String> {
    let ffi = root().join("ffi");
    let mut builder = Builder::new().with_config(config(&ffi)?);
    for name in SOURCES {
        builder = builder.with_src(ffi.join("src").join(name).with_extension("rs"));
    }
    let mut text = Vec::new();
    builder.generate()?.write(&mut text);
    Ok(String::from_utf8(text)?)
}

fn config(ffi: &Path) -> Result<Config> {
    let part = |name: &str| fs::read_to_string(ffi.join("include").join(name));
    let mut config = Config {
        language: Language::C,
        style: Style::Both,
        cpp_compat: true,
        header: Some(part("preamble.txt")?.trim_end().to_owned()),
        include_guard: Some("LOCKKEEPER_H".to_owned()),
        after_includes: Some(format!("\n{VERSION_NUMBER}")),
        trailer: Some(part("trailer.txt")?),
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(Into::into).into(),
        usize_is_size_t: true,
        documentation: true,
        documentation_style: DocumentationStyle::Doxy,
        line_length: 100,
        tab_width: 2,
        ..Config::default()
    };
    config.function.sort_by = Some(SortKey::None);
    config.constant.sort_by = Some(SortKey::None);
    Ok(config)
}
