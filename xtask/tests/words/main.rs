//! Checks that comments, strings and Markdown are plain English: they use none of the phrases in [`HABITS`].
//!
//! Reads the tracked `*.rs` and `*.md` files, and reports each phrase with its file and line.
#![expect(clippy::unwrap_used, reason = "a test, whose helpers may fail")]

mod scan;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use scan::{Token, markdown, rust};

/// Contains the phrases themselves.
const EXEMPT: &str = "xtask/tests/words/";

/// A habit, its remedy, and its phrases: words with alternatives, in lower case.
type Habit = (&'static str, &'static str, &'static [&'static str]);

const HABITS: [Habit; 4] = [
    (
        "a clause in place of a noun",
        "name the thing",
        &[
            "what is|was|are|were|has|have|had|does|did|do|can|cannot|could|may|must|would|should",
            "what it|they|we|you|one|each|every|there|no|others|people|somebody|nobody",
            "what a|an|the|this|that|these|those|its|their|your",
            "what to|came|comes|happens|happened|follows|goes|went|stands|stood|breaks|remains|costs",
        ],
    ),
    ("a negation as a predicate", "state the requirement, or `invalid`", &["is|are|was|were none"]),
    (
        "people in place of actors",
        "name the caller, the process or the other machine",
        &[
            "nobody|whoever|somebody|anybody|everybody|nobody's|somebody's",
            "tells",
            "is|are|was|were|be told",
        ],
    ),
    (
        "a vague amount or place",
        "N, the amount, continues, immediately, concurrently, separate",
        &["so many|much", "go|goes|going|went on", "of its|their|your|our|my own", "at once"],
    ),
];

/// Names that are images. The vocabulary is in `tgscan-core/src/design.md`.
const NAMES: [&str; 10] =
    ["Beginning", "Drawn", "Flight", "Held", "Kept", "Lack", "bury", "fly", "is_standing", "last_word"];

#[test]
fn prose_is_plain_english() {
    let root = xtask::root();
    let mut places = Vec::new();
    for file in tracked(&root) {
        // A deleted file stays tracked until the commit.
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        let found = if Path::new(&file).extension().is_some_and(|kind| kind == "rs") {
            in_rust(&text)
        } else {
            in_prose(&markdown(&text))
        };
        if !file.starts_with(EXEMPT) {
            places.extend(found.into_iter().map(|(line, problem)| format!("{file}:{line}: {problem}")));
        }
    }
    assert!(places.is_empty(), "{} places:\n{}", places.len(), places.join("\n"));
}

fn tracked(root: &Path) -> Vec<String> {
    let listed =
        Command::new("git").args(["ls-files", "-z", "*.rs", "*.md"]).current_dir(root).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).unwrap();
    names.split_terminator('\0').map(str::to_owned).collect()
}

/// Returns the lines and descriptions of the problems in a Rust file.
fn in_rust(source: &str) -> Vec<(usize, String)> {
    let (prose, names) = rust(source);
    let images = names.into_iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
    let images =
        images.map(|(name, line)| (line, format!("`{name}`: an image as a name; use a technical term")));
    in_prose(&prose).into_iter().chain(images).collect()
}

/// A phrase: its habit, the remedy, and the alternatives of its words after the first.
struct Phrase {
    habit: &'static str,
    remedy: &'static str,
    rest: Vec<Vec<&'static str>>,
}

/// The phrases by their first word.
static PHRASES: LazyLock<HashMap<&str, Vec<Phrase>>> = LazyLock::new(|| {
    let mut by_word: HashMap<_, Vec<_>> = HashMap::new();
    for (habit, remedy, phrases) in HABITS {
        for phrase in phrases {
            let mut words = phrase.split(' ').map(|word| word.split('|').collect::<Vec<_>>());
            let first = words.next().unwrap();
            let rest: Vec<_> = words.collect();
            for word in first {
                by_word.entry(word).or_default().push(Phrase { habit, remedy, rest: rest.clone() });
            }
        }
    }
    by_word
});

fn in_prose(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(first, line) = token else { continue };
        for Phrase { habit, remedy, rest } in PHRASES.get(first.as_str()).into_iter().flatten() {
            if let Some(words) = following(&tokens[at + 1..], rest) {
                found.push((*line, format!("\"{first}{words}\": {habit}; write: {remedy}")));
            }
        }
    }
    found
}

/// Returns the next words if each is among its alternatives.
fn following(tokens: &[Token], alternatives: &[Vec<&str>]) -> Option<String> {
    let mut words = String::new();
    for (position, alternatives) in alternatives.iter().enumerate() {
        let Token::Word(word, _) = tokens.get(position)? else { return None };
        if !alternatives.contains(&word.as_str()) {
            return None;
        }
        words.extend([" ", word]);
    }
    Some(words)
}

#[test]
fn finds_each_phrase() {
    for (habit, _, phrases) in HABITS {
        for phrase in phrases {
            let words: Vec<_> = phrase.split(' ').map(|word| word.split('|').next().unwrap()).collect();
            let text = format!("Some text\nwith {} in it.", words.join("\n"));
            let found = in_prose(&markdown(&text));
            assert!(
                found.iter().any(|(line, problem)| *line == 2 && problem.contains(habit)),
                "{text}: {found:?}"
            );
        }
    }
}

#[test]
fn finds_phrases_only_in_comments_and_strings() {
    let problems = |source: &str| in_rust(source).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    for (source, lines) in [
        ("//! Sends it at\n//! once.", &[1][..]),
        ("/// Sends it at\n///\n/// once.", &[]),
        ("// at\nlet x = 1;\n// once", &[]),
        ("let at_once = 'a'; at.once();", &[]),
        ("let s = \"\n at \\\n once\";", &[2]),
        ("let s = r#\" \" at once \"#;", &[1]),
        ("let q = '\"'; let r = '\\''; // at once", &[1]),
        ("fn f<'a>(x: &'a str) {} /* at\n once */", &[1]),
        ("struct Kept; let kept = 1;", &[1]),
        ("// It is none. At, once.", &[1]),
    ] {
        assert_eq!(problems(source), lines, "{source}");
    }
}
