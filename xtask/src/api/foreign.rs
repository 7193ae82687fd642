//! No dependency's type in the public API, but those that are meant to be there.

use std::collections::BTreeSet;

/// What every library may show: the language's own crates.
const LANGUAGE: [&str; 3] = ["alloc", "core", "std"];

/// Foreign crates that a library may show, and names of what it re-exports, each with the reason.
const ALLOWED: [(&str, &[(&str, &str)]); 4] = [
    (
        "tgscan-types",
        &[
            (
                "serde_core",
                "requests and answers are read and written with serde; this is the part with its traits",
            ),
            ("schemars", "with the feature `schema` alone: types say what their JSON looks like"),
        ],
    ),
    (
        "tgscan-core",
        &[
            (
                "async_trait",
                "the macro with which `Transport` and `Timer` are implemented; it expands to types of `core`",
            ),
            ("bytes", "bodies, which `Transport` shares with every HTTP client"),
            ("http", "requests and responses, which `Transport` shares with every HTTP client"),
            ("serde_core", "an answer can be read again as any type that serde reads"),
            ("types", "the crate tgscan-types"),
            ("tower_service", "with the feature `tower` alone: a tower service is a transport"),
        ],
    ),
    (
        "tgscan-transport-hyper",
        &[
            ("bytes", "it is a `Transport`"),
            ("http", "it is a `Transport`"),
            (
                "rustls",
                "a crypto provider and a TLS configuration of the caller's own; the crate is re-exported",
            ),
        ],
    ),
    (
        "tgscan-mock",
        &[
            ("bytes", "the mock is a `Transport`, and shows the requests that it got"),
            ("core", "the crate tgscan-core"),
            ("http", "the mock is a `Transport`, and shows the requests that it got"),
            ("types", "the crate tgscan-types"),
            ("proptest", "strategies, for property tests of the caller's own"),
            ("serde_core", "a scripted step is read from a file"),
            ("serde_json", "with the feature `openapi` alone: the document, for programs to look into"),
        ],
    ),
];

/// What a list shows and should not, and what it is allowed to show and does not.
pub(super) fn problems(package: &str, list: &str) -> Vec<String> {
    let allowed = ALLOWED.iter().find(|(name, _)| *name == package).map_or(&[][..], |(_, allowed)| allowed);
    let is_named = |name: &str| allowed.iter().any(|(other, _)| *other == name);
    let is_ours = |name: &str| LANGUAGE.contains(&name) || name.starts_with("tgscan_");
    let mut problems = Vec::new();
    let mut shown = BTreeSet::new();
    for line in list.lines().filter(|line| !line.starts_with("//")) {
        // Of what is re-exported whole, the list has the new name alone.
        let reexported = line.strip_prefix("pub use ").and_then(|path| path.rsplit("::").next());
        let foreign = crates(line).filter(|name| !is_ours(name)).chain(reexported);
        for name in foreign {
            if shown.insert(name) && !is_named(name) {
                problems.push(format!(
                    "{package} shows a type of {name}: {line}\n  \
                     take it out of the public API, or give the reason in xtask/src/api/foreign.rs"
                ));
            }
        }
    }
    let unused = allowed.iter().filter(|(name, _)| !shown.contains(name));
    problems.extend(unused.map(|(name, _)| {
        format!("{package} shows no type of {name} any more; take it out of xtask/src/api/foreign.rs")
    }));
    problems
}

/// The first segments of all paths in a line: names of crates, because types stand there with their whole path.
fn crates(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices("::").filter_map(move |(at, _)| {
        let start = line[..at].rfind(|c| !is_part(c)).map_or(0, |before| before + 1);
        let name = &line[start..at];
        // Not the first segment, or the name of a type, as in `Self::Error`.
        let is_inner = line[..start].ends_with(':') || name.is_empty();
        let is_type = name.trim_start_matches('_').starts_with(char::is_uppercase);
        (!is_inner && !is_type).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_segments_are_crates() {
        let line = "pub fn a::B<T>::c<D: d::e::F<'de>>(&self, T::G) -> <D as d::F>::Error where Self: h::I, __S: i::J";
        assert_eq!(crates(line).collect::<Vec<_>>(), ["a", "d", "d", "h", "i"]);
    }

    #[test]
    fn a_foreign_type_is_found_wherever_it_stands() {
        let sound = "// Head of x::y\npub fn tgscan_new::A::b(&self) -> core::option::Option<u8>\n";
        assert_eq!(problems("tgscan-new", sound), [""; 0]);
        for line in [
            "pub fn tgscan_new::A::c(&self) -> core::result::Result<(), hyper::error::Error>",
            "pub tgscan_new::A::field: hyper::error::Error",
            "impl core::convert::From<hyper::error::Error> for tgscan_new::A",
            "impl<T> tgscan_new::B for T where T: hyper::body::Body",
            "pub type tgscan_new::C = hyper::error::Error",
            "pub use tgscan_new::hyper",
        ] {
            let found = problems("tgscan-new", &format!("{sound}{line}\n"));
            assert_eq!(found.len(), 1, "{line}");
            assert!(
                found[0].starts_with(&format!("tgscan-new shows a type of hyper: {line}")),
                "{}",
                found[0]
            );
        }
    }

    #[test]
    fn an_allowance_that_nobody_needs_is_found() {
        for (package, allowed) in ALLOWED {
            assert_eq!(problems(package, "").len(), allowed.len());
        }
    }

    #[test]
    fn every_allowance_has_a_reason_and_stands_once() {
        for (package, allowed) in ALLOWED {
            let names: BTreeSet<_> = allowed.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), allowed.len(), "{package}");
            assert!(allowed.iter().all(|(_, reason)| reason.len() > 10), "{package}");
        }
    }
}
