//! Pages for readers: links lead somewhere, and the front page of each crate names all of its features.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};
use toml::{Table, Value};

use super::{Finding, Tree};

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let pages: BTreeMap<&str, Page> = tree
        .files()
        .filter(|(path, _)| path.rsplit('.').next() == Some("md"))
        .map(|(path, text)| (path, Page::read(text)))
        .collect();
    let mut findings = Vec::new();
    for (path, page) in &pages {
        findings.extend(page.links.iter().filter_map(|(at, link)| {
            let (wrong, remedy) = broken(tree, &pages, path, link)?;
            Some(Finding::at(path, *at, format!("links to {link}, {wrong}"), remedy))
        }));
    }
    for (name, manifest) in tree.members() {
        findings.extend(front_page(tree, name, &manifest.parse().unwrap_or_default()));
    }
    findings
}

#[derive(Default)]
struct Page {
    /// With their lines, counted from 0.
    links: Vec<(usize, String)>,
    anchors: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        for (event, range) in Parser::new(text).into_offset_iter() {
            match event {
                Event::Start(Tag::Link { link_type, dest_url, .. }) if link_type != LinkType::Email => {
                    page.links.push((text[..range.start].matches('\n').count(), dest_url.into_string()));
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors.extend(heading.take().map(|text| anchor(&text)));
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        page
    }
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link, and what to do. Those of the web are not looked at: no test needs a network.
fn broken(
    tree: &Tree,
    pages: &BTreeMap<&str, Page>,
    from: &str,
    link: &str,
) -> Option<(&'static str, &'static str)> {
    // Names of items are rustdoc's to check.
    if link.contains("://") || link.contains("::") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    if !path.is_empty() && is_shown_by_rustdoc(from) {
        return Some(("which is no file beside the documentation", "name it without a link"));
    }
    let target = if path.is_empty() { Some(from.to_owned()) } else { resolved(from, path) };
    let Some(target) = target else { return Some(("which is outside of the workspace", "mend the link")) };
    let is_folder = tree.below(&format!("{}/", target.trim_end_matches('/'))).next().is_some();
    if !tree.has(&target) && !is_folder {
        return Some(("which is not there", "mend the link"));
    }
    let has_anchor = |anchor: &str| {
        pages.get(target.as_str()).is_some_and(|page| page.anchors.iter().any(|a| a == anchor))
    };
    match anchor {
        Some(anchor) if !has_anchor(anchor) => Some(("of which no heading is called so", "mend the link")),
        _ => None,
    }
}

/// Whether rustdoc includes the page, so that it is read far away from the files beside it.
fn is_shown_by_rustdoc(path: &str) -> bool {
    path.starts_with("tgscan-") && (path.contains("/src/") || path.ends_with("/README.md"))
}

/// A path relative to a page, from the top of the workspace.
fn resolved(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Of a crate that others can depend on.
fn front_page(tree: &Tree, name: &str, manifest: &Table) -> Vec<Finding> {
    let is_kept =
        manifest.get("package").and_then(|package| package.get("publish")?.as_bool()) == Some(false);
    if is_kept {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let include = "#![doc = include_str!(\"../README.md\")]";
    let library = format!("{name}/src/lib.rs");
    if !tree.text(&library).is_some_and(|text| text.starts_with(include)) {
        findings.push(Finding::new(
            library,
            "does not begin with the crate's README",
            format!("add `{include}`"),
        ));
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let path = format!("{name}/{licence}");
        if tree.text(&path) != tree.text(licence) {
            findings.push(Finding::new(
                path,
                "is not the workspace's",
                format!("let it be a link to ../{licence}"),
            ));
        }
    }
    let path = format!("{name}/README.md");
    let readme = tree.text(&path).unwrap_or_default();
    let features = manifest.get("features").and_then(Value::as_table).into_iter().flat_map(Table::keys);
    for feature in features.filter(|feature| *feature != "default") {
        if !readme.lines().any(|line| line.starts_with(&format!("| `{feature}` |"))) {
            let remedy = "say in its table of features what it does";
            findings.push(Finding::new(&path, format!("does not name the feature {feature}"), remedy));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Tree {
        Tree::of(&[
            ("LICENSE-APACHE", "a"),
            ("LICENSE-MIT", "m"),
            (
                "README.md",
                "# One `two`: three\n\n[a](tgscan-a/README.md), [b](#one-two-three), [c][c], <https://x.y>\n\n[c]: tgscan-a\n",
            ),
            ("xtask/A.md", "[a](../README.md#one-two-three)\n\n```\n[no](link)\n```\n"),
            ("tgscan-a/Cargo.toml", "[features]\ndefault = [\"b\"]\nb = []\n"),
            ("tgscan-a/LICENSE-APACHE", "a"),
            ("tgscan-a/LICENSE-MIT", "m"),
            ("tgscan-a/README.md", "[b](crate::B)\n\n| `b` | on |\n"),
            ("tgscan-a/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n"),
            ("tools/Cargo.toml", "[package]\npublish = false\n[features]\nc = []\n"),
        ])
    }

    fn only(tree: &Tree) -> String {
        let findings = findings(tree);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings[0].to_string()
    }

    #[test]
    fn links_that_lead_somewhere_are_sound() {
        assert_eq!(findings(&sound()), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for (file, from, to, says) in [
            (
                "README.md",
                "(tgscan-a/README.md)",
                "(tgscan-a/x.md)",
                "README.md:3: links to tgscan-a/x.md, which is not there",
            ),
            (
                "README.md",
                "[c]: tgscan-a",
                "[c]: tgscan-b",
                "README.md:3: links to tgscan-b, which is not there",
            ),
            ("README.md", "#one-two-three", "#one", "README.md:3: links to #one, of which no heading"),
            (
                "xtask/A.md",
                "#one-two-three",
                "#four",
                "xtask/A.md:1: links to ../README.md#four, of which no heading",
            ),
            ("xtask/A.md", "../README", "../../README", "which is outside of the workspace"),
            (
                "tgscan-a/README.md",
                "(crate::B)",
                "(../README.md)",
                "which is no file beside the documentation",
            ),
        ] {
            let mut tree = sound();
            tree.replace(file, from, to);
            let found = only(&tree);
            assert!(found.contains(says), "{found}");
        }
    }

    #[test]
    fn front_pages_are_whole() {
        for (file, from, to, says) in [
            ("tgscan-a/README.md", "| `b` |", "| b |", "tgscan-a/README.md: does not name the feature b"),
            ("tgscan-a/src/lib.rs", "#!", "//! A crate.\n#!", "tgscan-a/src/lib.rs: does not begin with"),
            ("tgscan-a/LICENSE-MIT", "m", "n", "tgscan-a/LICENSE-MIT: is not the workspace's"),
        ] {
            let mut tree = sound();
            tree.replace(file, from, to);
            let found = only(&tree);
            assert!(found.starts_with(says), "{found}");
        }
    }
}
