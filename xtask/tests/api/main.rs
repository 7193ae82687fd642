//! The public API of each library, compared with its `api.txt`, so that review sees every change of it.
//!
//! To accept a change: `UPDATE_SNAPSHOTS=yes cargo test --package xtask --test api`.

use std::collections::BTreeSet;
use std::process::Command;

/// The libraries, where they are, and the foreign crates whose types they may show. Every breaking release of one of these is one of
/// ours, so each needs a reason.
const LIBRARIES: [(&str, &str, &[&str]); 5] = [
    // serde: requests and answers are read and written with it. schemars: with the feature `schema` alone.
    ("tgscan-types", "tgscan-types", &["schemars", "serde_core"]),
    // async_trait: the macro for implementors. bytes, http: what every HTTP client shares. serde: answers can be read
    // again as any type. tower_service: with the feature `tower` alone. types: tgscan-types.
    ("tgscan-core", "tgscan-core", &["async_trait", "bytes", "http", "serde_core", "tower_service", "types"]),
    // Nothing: it implements a trait of ours.
    ("tgscan-store", "tgscan-core/store", &[]),
    // bytes, http: it is a `Transport`. core, types: our own. rustls: a crypto provider or TLS configuration of the
    // caller's own.
    ("tgscan-transport-hyper", "tgscan-transport-hyper", &["bytes", "core", "http", "rustls", "types"]),
    // bytes, http: it is a `Transport`. core, types: our own. proptest: strategies. serde: scripted steps are read from
    // files. serde_json: with the feature `openapi` alone.
    (
        "tgscan-mock",
        "tgscan-mock",
        &["bytes", "core", "http", "proptest", "serde_core", "serde_json", "types"],
    ),
];

#[test]
fn public_api_is_as_listed_and_shows_no_foreign_type() {
    let root = xtask::root();
    let target = root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let mut doc = Command::new(env!("CARGO"));
    doc.args(["doc", "--workspace", "--no-deps", "--all-features", "--locked", "--quiet"]).current_dir(&root);
    doc.env("CARGO_TARGET_DIR", &target).env("RUSTDOC", root.join(".ci/rustdoc-json"));
    doc.env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json --cap-lints=allow");
    assert!(doc.status().unwrap().success());
    for (library, folder, allowed) in LIBRARIES {
        let json = target.join("doc").join(library.replace('-', "_") + ".json");
        let mut builder = public_api::Builder::from_rustdoc_json(json);
        // What `cargo public-api -sss` omits.
        builder = builder.omit_blanket_impls(true).omit_auto_trait_impls(true).omit_auto_derived_impls(true);
        let api = builder.build().unwrap();
        let shown: BTreeSet<String> = api.items().flat_map(|item| foreign(&item.to_string())).collect();
        let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
        assert_eq!(shown, allowed, "crates whose types {library} shows; each needs a reason in {}", file!());
        let list = api.items().map(|item| format!("{item}\n")).collect::<String>();
        let path = root.join(folder).join("api.txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, &list).unwrap();
        }
        let changes = changes(&std::fs::read_to_string(&path).unwrap(), &list);
        assert!(changes.is_empty(), "the public API of {library} is not that of its api.txt:\n{changes}");
    }
}

fn changes(old: &str, new: &str) -> String {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
    let removed = old.difference(&new).map(|line| format!("- {line}\n"));
    let added = new.difference(&old).map(|line| format!("+ {line}\n"));
    removed.chain(added).collect()
}

/// The foreign crates in a line of the list: the first segments of its paths, and what it re-exports whole.
fn foreign(line: &str) -> Vec<String> {
    let paths = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let first_segments = paths.filter_map(|path| path.split_once("::")).map(|(first, _)| first);
    let is_foreign = |name: &&str| {
        // What begins otherwise is a type parameter, or goes on after a `>`.
        name.starts_with(char::is_lowercase)
            && !["alloc", "core", "std"].contains(name)
            && !name.starts_with("tgscan_")
    };
    // Whole crates; what begins with a capital is a type of ours.
    let reexported = line.strip_prefix("pub use ").and_then(|path| path.rsplit("::").next());
    let reexported = reexported.filter(|name| name.starts_with(char::is_lowercase));
    first_segments.filter(is_foreign).chain(reexported).map(str::to_owned).collect()
}

#[test]
fn finds_foreign_crates_wherever_they_stand() {
    for line in [
        "pub fn tgscan_new::A::c(&self) -> core::result::Result<(), hyper::error::Error>",
        "pub tgscan_new::A::field: hyper::error::Error",
        "impl<T> tgscan_new::B for T where T: hyper::body::Body, T::C: core::marker::Send",
        "pub use tgscan_new::hyper",
        "pub fn tgscan_new::D::e<'de, __D: hyper::F<'de>>(&T) -> <__D as hyper::F>::Error",
    ] {
        assert_eq!(foreign(line).into_iter().collect::<BTreeSet<_>>(), ["hyper".to_owned()].into(), "{line}");
    }
}
