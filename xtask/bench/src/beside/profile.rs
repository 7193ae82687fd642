//! Where a build's time and bytes go, crate by crate: why a footprint is what it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::report::Table;

/// As many crates as are shown one by one.
const SHOWN: usize = 12;

/// Something that crates have a part in.
pub(super) type Shares = BTreeMap<String, f64>;

/// Seconds by the clock that each crate took to build, its build script and all versions of it included, from what
/// `cargo build --timings` left in this target folder.
pub(super) fn seconds(target: &Path) -> Result<Shares, String> {
    #[derive(Deserialize)]
    struct Unit {
        name: String,
        duration: f64,
    }
    let path = target.join("cargo-timings/cargo-timing.html");
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let page = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    let (_, units) = page.split_once("UNIT_DATA = ").ok_or_else(|| wrong(&"has no UNIT_DATA"))?;
    let mut units = serde_json::Deserializer::from_str(units).into_iter::<Vec<Unit>>();
    let units = units.next().ok_or_else(|| wrong(&"has no units"))?.map_err(|error| wrong(&error))?;
    let mut shares = Shares::new();
    for Unit { name, duration } in units {
        *shares.entry(name).or_default() += duration;
    }
    Ok(shares)
}

/// Bytes of each crate's functions and constants in a binary that has its symbols yet. What is generic counts for the
/// crate that it is written in.
pub(super) fn bytes(binary: &Path) -> Result<Shares, String> {
    let mut nm = Command::new("nm");
    nm.args(["--print-size", "--radix=d", "--demangle=rust"]).arg(binary);
    let output = nm.output().map_err(|error| format!("nm of binutils cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("nm failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut shares = Shares::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // Address, size, kind, name; without a size it is no function and no constant.
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        if let [_, size, kind, name] = fields[..]
            && let Ok(size) = size.parse::<f64>()
            // Zeroed memory takes no room in a file.
            && !matches!(kind, "b" | "B")
        {
            *shares.entry(crate_of(name)).or_default() += size;
        }
    }
    Ok(shares)
}

/// The crate that a function stands in: the first of its path, or of the type whose method it is. libc's two largest
/// parts in a Rust program are told apart.
pub(super) fn crate_of(function: &str) -> String {
    // What Rust puts in front of libc's has these names.
    let name = function.trim_start_matches("__rustc::");
    let has = |parts: &[&str]| !name.contains("::") && parts.iter().any(|part| name.contains(part));
    if has(&["alloc", "unlink_chunk"]) || ["free", "cfree", "_int_free"].contains(&name) {
        return "the allocator".to_owned();
    }
    if has(&["memcpy", "memmove"]) {
        return "copies of memory".to_owned();
    }
    let path = function.trim_start_matches(['<', '&', '*', '(', '[']);
    let path =
        ["mut ", "const ", "dyn ", "impl "].iter().fold(path, |path, word| path.trim_start_matches(word));
    match path.split_once("::") {
        Some((first, _)) if first.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => first.to_owned(),
        // ring is written in C and assembly too, and marks its names.
        _ if function.starts_with("ring_core") => "ring".to_owned(),
        _ => "others, C among them".to_owned(),
    }
}

/// What two builds spend on crates that both have, and on others; then the crates that cost the first one most.
pub(super) fn beside(title: &str, columns: [&'static str; 2], [ours, theirs]: [&Shares; 2]) -> Table {
    let mut table = Table::new(title, &columns);
    let sum = |shares: &Shares, is_counted: &dyn Fn(&str) -> bool| {
        Some(shares.iter().filter(|(name, _)| is_counted(name)).map(|(_, share)| share).sum())
    };
    let in_both = |name: &str| ours.contains_key(name) && theirs.contains_key(name);
    table.add("all crates", vec![sum(ours, &|_| true), sum(theirs, &|_| true)]);
    table.add("crates in both", vec![sum(ours, &in_both), sum(theirs, &in_both)]);
    let others = |name: &str| !in_both(name);
    table.add("crates in one of them", vec![sum(ours, &others), sum(theirs, &others)]);
    for (name, share) in largest(ours) {
        table.add(name, vec![Some(share), theirs.get(name).copied()]);
    }
    table
}

fn largest(shares: &Shares) -> impl Iterator<Item = (&str, f64)> {
    let mut shares: Vec<(&str, f64)> = shares.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares.into_iter().take(SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_belong_to_the_crate_that_they_are_written_in() {
        for (function, name) in [
            ("hyper::proto::h1::conn::Conn<I,B,T>::poll_read", "hyper"),
            ("<h2::proto::streams::Streams<B,P> as core::ops::drop::Drop>::drop", "h2"),
            (
                "<&mut serde_json::de::Deserializer<R> as serde_core::de::Deserializer>::deserialize_str",
                "serde_json",
            ),
            ("<[T] as alloc::slice::ToOwned>::to_owned", "others, C among them"),
            ("ring_core_0_17_14__x25519_ge_double_scalarmult_vartime", "ring"),
            ("main", "others, C among them"),
            ("_int_malloc", "the allocator"),
            ("__rustc::__rust_dealloc", "the allocator"),
            ("__rustc::rust_begin_unwind", "__rustc"),
            ("free", "the allocator"),
            ("ring_core_0_17_14__EVP_free", "ring"),
            ("hyper::freeze", "hyper"),
            ("__memcpy_avx_unaligned_erms", "copies of memory"),
        ] {
            assert_eq!(crate_of(function), name);
        }
    }

    #[test]
    fn what_two_builds_share_is_told_from_what_they_do_not() {
        let shares =
            |list: &[(&str, f64)]| list.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
        let (ours, theirs) = (shares(&[("ring", 3.0), ("own", 1.0)]), shares(&[("ring", 5.0), ("url", 2.0)]));
        let table = beside("t", ["a", "b"], [&ours, &theirs]);
        let rows: Vec<_> = table.rows.iter().map(|row| (row.name.as_str(), &row.figures[..])).collect();
        let expected: [(&str, &[Option<f64>]); 5] = [
            ("all crates", &[Some(4.0), Some(7.0)]),
            ("crates in both", &[Some(3.0), Some(5.0)]),
            ("crates in one of them", &[Some(1.0), Some(2.0)]),
            ("ring", &[Some(3.0), Some(5.0)]),
            ("own", &[Some(1.0), None]),
        ];
        assert_eq!(rows, expected);
    }
}
