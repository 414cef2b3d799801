//! The manifests: members of the workspace and what each depends on.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::run::Result;

/// One crate of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The package name.
    pub(super) name: String,
    /// Relative to the root.
    pub(super) folder: PathBuf,
    /// Package names of what it links, build scripts included.
    pub(super) dependencies: Vec<String>,
    /// Package names of what only its tests, examples and benches link.
    pub(super) dev_dependencies: Vec<String>,
}

/// Reads the members in the order of the root manifest.
pub(super) fn members(root: &Path) -> Result<Vec<Member>> {
    let workspace = read(&root.join("Cargo.toml"))?;
    let workspace = section(&workspace, "workspace").ok_or("the root manifest has no workspace")?;
    let shared = section(workspace, "dependencies")
        .cloned()
        .unwrap_or_default();
    let listed = workspace.get("members").and_then(Value::as_array);
    let mut members = Vec::new();
    for folder in listed.into_iter().flatten().filter_map(Value::as_str) {
        let manifest = read(&root.join(folder).join("Cargo.toml"))?;
        members.push(member(PathBuf::from(folder), &manifest, &shared)?);
    }
    Ok(members)
}

fn member(folder: PathBuf, manifest: &Table, shared: &Table) -> Result<Member> {
    let name = section(manifest, "package").and_then(|package| package.get("name"));
    let name = name.and_then(Value::as_str);
    let name = name.ok_or_else(|| format!("{} has no package name", folder.display()))?;
    let mut dependencies = Vec::new();
    let mut dev_dependencies = Vec::new();
    // Dependencies of one target only stand in tables of the same names below it.
    let targets = section(manifest, "target")
        .into_iter()
        .flat_map(Table::values);
    for table in std::iter::once(manifest).chain(targets.filter_map(Value::as_table)) {
        collect(table, "dependencies", shared, &mut dependencies);
        collect(table, "build-dependencies", shared, &mut dependencies);
        collect(table, "dev-dependencies", shared, &mut dev_dependencies);
    }
    Ok(Member {
        name: name.to_owned(),
        folder,
        dependencies,
        dev_dependencies,
    })
}

/// Adds the package names of one section, looking behind renames.
fn collect(table: &Table, name: &str, shared: &Table, names: &mut Vec<String>) {
    for (key, value) in section(table, name).into_iter().flatten() {
        let inherits = value.get("workspace").and_then(Value::as_bool) == Some(true);
        let source = if inherits {
            shared.get(key)
        } else {
            Some(value)
        };
        let package = source
            .and_then(|source| source.get("package"))
            .and_then(Value::as_str);
        names.push(package.unwrap_or(key).to_owned());
    }
}

fn section<'a>(table: &'a Table, name: &str) -> Option<&'a Table> {
    table.get(name).and_then(Value::as_table)
}

fn read(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text
        .parse()
        .map_err(|error| format!("{}: {error}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_and_inherited_dependencies_are_seen() {
        let shared = "wire = { package = \"lockkeeper-wire\", path = \"wire\" }".parse();
        let manifest = r#"
            [package]
            name = "a"
            [dependencies]
            wire.workspace = true
            net = { package = "tokio", version = "1" }
            [target.'cfg(unix)'.dependencies]
            rustix = "1"
            [dev-dependencies]
            proptest = "1"
        "#;
        let manifest = manifest.parse().expect("well-formed");
        let member = member("a".into(), &manifest, &shared.expect("well-formed"));
        let member = member.expect("it has a name");
        let mut dependencies = member.dependencies;
        dependencies.sort();
        assert_eq!(dependencies, ["lockkeeper-wire", "rustix", "tokio"]);
        assert_eq!(member.dev_dependencies, ["proptest"]);
    }
}
