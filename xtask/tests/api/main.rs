//! Compares the public API of each library with its `api.txt`, so that every change is visible in review.
//!
//! To accept a change: `UPDATE_SNAPSHOTS=yes cargo test --package xtask --test api`.

use std::collections::BTreeSet;
use std::process::Command;

/// The libraries, their folders, and the foreign crates whose types they expose. A breaking release of one of these crates is a
/// breaking release of the library, so each has a reason.
const LIBRARIES: [(&str, &str, &[&str]); 5] = [
    // serde: requests and answers implement its traits. schemars: only with the feature `schema`.
    ("tgscan-types", "tgscan-types", &["schemars", "serde_core"]),
    // async_trait: the macro for implementors. bytes, http: shared by all HTTP clients. serde: answers can be parsed as any
    // type. tower_service: only with the feature `tower`. types: tgscan-types.
    ("tgscan-core", "tgscan-core", &["async_trait", "bytes", "http", "serde_core", "tower_service", "types"]),
    // None: it implements a trait of this workspace.
    ("tgscan-store", "tgscan-core/tgscan-store", &[]),
    // bytes, http: it is a `Transport`. core, types: of this workspace. rustls: custom crypto providers and TLS configurations.
    ("tgscan-transport-hyper", "tgscan-transport-hyper", &["bytes", "core", "http", "rustls", "types"]),
    // bytes, http: it is a `Transport`. core, types: of this workspace. proptest: strategies. serde_json: only with the
    // feature `openapi`.
    ("tgscan-mock", "tgscan-mock", &["bytes", "core", "http", "proptest", "serde_json", "types"]),
];

#[test]
fn public_api_is_as_listed_and_exposes_only_allowed_crates() {
    let root = xtask::root();
    let target = root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let mut doc = Command::new(env!("CARGO"));
    doc.args(["doc", "--workspace", "--no-deps", "--all-features", "--locked", "--quiet"]).current_dir(&root);
    doc.env("CARGO_TARGET_DIR", &target).env("RUSTDOC", root.join(".ci/rustdoc-json"));
    doc.env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json --cap-lints=allow");
    xtask::remove_package_variables(&mut doc);
    assert!(doc.status().unwrap().success());
    for (library, folder, allowed) in LIBRARIES {
        let json = target.join("doc").join(library.replace('-', "_") + ".json");
        let mut builder = public_api::Builder::from_rustdoc_json(json);
        // The omissions of `cargo public-api -sss`.
        builder = builder.omit_blanket_impls(true).omit_auto_trait_impls(true).omit_auto_derived_impls(true);
        let api = builder.build().unwrap();
        let shown: BTreeSet<String> = api.items().flat_map(|item| foreign(&item.to_string())).collect();
        let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            allowed,
            "the foreign crates that {library} exposes; each needs a reason in {}",
            file!()
        );
        let list = api.items().map(|item| format!("{item}\n")).collect::<String>();
        let path = root.join(folder).join("api.txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, &list).unwrap();
        }
        let changes = changes(&std::fs::read_to_string(&path).unwrap(), &list);
        assert!(changes.is_empty(), "the public API of {library} differs from its api.txt:\n{changes}");
    }
}

fn changes(old: &str, new: &str) -> String {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
    let removed = old.difference(&new).map(|line| format!("- {line}\n"));
    let added = new.difference(&old).map(|line| format!("+ {line}\n"));
    removed.chain(added).collect()
}

/// Returns the foreign crates in a line of the list: the first segments of its paths, and whole re-exported crates.
fn foreign(line: &str) -> Vec<String> {
    let paths = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let first_segments = paths.filter_map(|path| path.split_once("::")).map(|(first, _)| first);
    let is_foreign = |name: &&str| {
        // Others are type parameters, or continue after a `>`.
        name.starts_with(char::is_lowercase)
            && !["alloc", "core", "std"].contains(name)
            && !name.starts_with("tgscan_")
    };
    // Whole crates; names with a capital are types of this workspace.
    let reexported = line.strip_prefix("pub use ").and_then(|path| path.rsplit("::").next());
    let reexported = reexported.filter(|name| name.starts_with(char::is_lowercase));
    first_segments.filter(is_foreign).chain(reexported).map(str::to_owned).collect()
}

#[test]
fn finds_foreign_crates_in_every_position() {
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
