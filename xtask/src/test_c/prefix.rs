//! The installed library, and programs built against it by the two ways that C has for that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::Program;
use crate::install_c;
use crate::run::{self, Result, root, target_folder};

/// As the header promises, and as strict as compilers are.
const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic"];

/// A program of `ffi/tests` that is no test.
const MUTEX_PEER: &str = "mutex_peer";

/// Which library a program is linked to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Shared,
    Static,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Static => "static",
        }
    }
}

/// A folder in which nothing is but what was installed.
pub(super) struct Prefix {
    folder: PathBuf,
    build: PathBuf,
}

impl Prefix {
    pub(super) fn install() -> Result<Self> {
        let build = target_folder().join("c");
        if build.exists() {
            fs::remove_dir_all(&build)?;
        }
        fs::create_dir_all(&build)?;
        let folder = build.join("prefix");
        install_c::install(&folder, "--debug")?;
        Ok(Self { folder, build })
    }

    pub(super) fn header(&self) -> PathBuf {
        self.folder.join("include/lockkeeper.h")
    }

    pub(super) fn library(&self, name: &str) -> PathBuf {
        self.folder.join("lib").join(name)
    }

    /// Builds every test and example by the words of pkg-config and these.
    pub(super) fn by_pkg_config(&self, link: Link, words: &[&str]) -> Result<Vec<Program>> {
        let mut programs = Vec::new();
        for source in sources()? {
            let mut build = format!("{} by pkg-config", link.name());
            for word in words {
                build = format!("{build} {word}");
            }
            let binary = self.compile(&source.name, &source.file, link, words)?;
            programs.push(source.program(build, binary));
        }
        Ok(programs)
    }

    /// Builds every test and example, with either library, by CMake.
    pub(super) fn by_cmake(&self) -> Result<Vec<Program>> {
        let build = self.build.join("cmake");
        let mut configure = Command::new("cmake");
        configure
            .arg(format!("-DCMAKE_PREFIX_PATH={}", self.folder.display()))
            .arg("-S")
            .arg(root().join("ffi/tests"))
            .arg("-B")
            .arg(&build);
        run::run(&mut configure)?;
        run::run(Command::new("cmake").arg("--build").arg(&build))?;
        let mut programs = Vec::new();
        for link in [Link::Shared, Link::Static] {
            for source in sources()? {
                let binary = build.join(format!("{}-{}", source.name, link.name()));
                programs.push(source.program(format!("{} by CMake", link.name()), binary));
            }
        }
        Ok(programs)
    }

    pub(super) fn mutex_peer(&self) -> Result<PathBuf> {
        let source = root()
            .join("ffi/tests")
            .join(MUTEX_PEER)
            .with_extension("c");
        self.compile(MUTEX_PEER, &source, Link::Shared, &[])
    }

    fn compile(&self, name: &str, source: &Path, link: Link, words: &[&str]) -> Result<PathBuf> {
        let folder = self
            .build
            .join(format!("{}{}", link.name(), words.concat()));
        fs::create_dir_all(&folder)?;
        let binary = folder.join(name);
        let mut command = Command::new("cc");
        command.args(STRICT).args(["-g", "-pthread"]).args(words);
        command.arg("-o").arg(&binary).arg(source);
        match link {
            Link::Shared => command
                .args(self.pkg_config(&["--cflags", "--libs"])?)
                .arg(format!("-Wl,-rpath,{}", self.library("").display())),
            // Of two libraries in a folder the linker prefers the shared one.
            Link::Static => command.args(
                self.pkg_config(&["--static", "--cflags", "--libs"])?
                    .iter()
                    .map(|word| word.replace("-llockkeeper", "-l:liblockkeeper.a")),
            ),
        };
        run::run(&mut command)?;
        Ok(binary)
    }

    fn pkg_config(&self, questions: &[&str]) -> Result<Vec<String>> {
        let mut command = Command::new("pkg-config");
        command
            .args(questions)
            .arg("lockkeeper")
            .env("PKG_CONFIG_PATH", self.library("pkgconfig"));
        let answer = run::output(&mut command)?;
        Ok(answer.split_whitespace().map(str::to_owned).collect())
    }
}

struct Source {
    name: String,
    file: PathBuf,
    is_example: bool,
}

impl Source {
    fn program(&self, build: String, binary: PathBuf) -> Program {
        Program {
            name: self.name.clone(),
            build,
            binary,
            is_example: self.is_example,
        }
    }
}

/// Every file of C that is a test or an example, in the order of their names.
fn sources() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (folder, is_example) in [("ffi/tests", false), ("examples/c", true)] {
        let mut files = Vec::new();
        for entry in fs::read_dir(root().join(folder))? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
        files.sort();
        for file in files {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let name = match is_example {
                true => format!("example-{stem}"),
                false => stem.into_owned(),
            };
            if name != MUTEX_PEER {
                sources.push(Source {
                    name,
                    file,
                    is_example,
                });
            }
        }
    }
    Ok(sources)
}
