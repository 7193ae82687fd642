//! The list of a library's public items, one a line.

use std::collections::BTreeSet;
use std::path::Path;

/// Traits that the compiler keeps for itself: nobody can name them on a stable toolchain.
const INTERNAL: [&str; 3] = ["Freeze", "StructuralPartialEq", "UnsafeUnpin"];

/// The list of one library, from the JSON in `folder`.
pub(super) fn of(folder: &Path, package: &str) -> Result<String, String> {
    let json = folder.join(package.replace('-', "_") + ".json");
    let api = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build();
    let api = api.map_err(|error| format!("cannot list what {package} offers: {error}"))?;
    let internal = INTERNAL.map(|name| format!(" core::marker::{name} for "));
    let lines = api.items().map(ToString::to_string);
    let lines = lines.filter(|line| !internal.iter().any(|name| line.contains(name))).map(|line| line + "\n");
    let head = format!("// What {package} offers with all features. Generated: cargo xtask api\n");
    Ok(lines.fold(head, |list, line| list + &line))
}

/// What was taken away and what came, for a person.
pub(super) fn changes(old: &str, new: &str) -> String {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}\n"));
    let came = new.difference(&old).map(|line| format!("+ {line}\n"));
    gone.chain(came).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_by_line() {
        assert_eq!(changes("a\nb\n", "b\nc\n"), "- a\n+ c\n");
    }
}
