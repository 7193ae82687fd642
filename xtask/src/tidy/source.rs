//! What must not stand in Rust sources.

use super::rust::{block_length, code, find_word, line_of, tests};
use super::{Finding, Tree};

/// The most lines of a file in `src`: one that is longer has more than one subject.
const MOST_LINES: usize = 400;

/// What never stays in the code, in tests or elsewhere.
const UNFINISHED: [(&str, &str); 4] = [
    ("todo!", "write it"),
    ("unimplemented!", "write it"),
    ("dbg!", "remove it"),
    ("#[ignore", "let the test run, or remove it"),
];

const SLEEPS: [&str; 2] = ["thread::sleep", "time::sleep"];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    tree.sources().flat_map(|(file, text)| Source::new(file, text).findings()).collect()
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// Without comments and literals.
    code: String,
    /// `code` without its tests, and only its tests.
    library: String,
    tests: String,
}

impl<'a> Source<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        let code = code(text);
        let is_test_file = file.contains("/tests/") || file.ends_with("/tests.rs");
        let (mut library, mut for_tests) = (code.clone().into_bytes(), blank(&code));
        let parts = if is_test_file { std::iter::once(0..code.len()).collect() } else { tests(&code) };
        for part in parts {
            for_tests[part.clone()].copy_from_slice(&code.as_bytes()[part.clone()]);
            library[part.clone()].copy_from_slice(&blank(&code[part]));
        }
        // Cut at the borders of code, where no character is split.
        let text_of = |bytes| String::from_utf8(bytes).unwrap_or_default();
        Self { file, text, code, library: text_of(library), tests: text_of(for_tests) }
    }

    fn findings(&self) -> Vec<Finding> {
        [self.unfinished(), self.sleeps(), self.attributes(), self.length(), self.panics(), self.dead_code()]
            .concat()
    }

    fn at(&self, position: usize, wrong: impl Into<String>, remedy: &str) -> Finding {
        Finding::at(self.file, line_of(&self.code, position), wrong, remedy)
    }

    fn unfinished(&self) -> Vec<Finding> {
        let found = UNFINISHED.iter().flat_map(|(marker, remedy)| {
            find_word(&self.code, marker).map(move |at| self.at(at, format!("has `{marker}`"), remedy))
        });
        found.collect()
    }

    fn sleeps(&self) -> Vec<Finding> {
        let remedy = "wait for what the test needs, or use a virtual clock";
        let found = SLEEPS.iter().flat_map(|sleep| {
            find_word(&self.tests, sleep)
                .map(move |at| self.at(at, format!("a test calls `{sleep}`"), remedy))
        });
        found.collect()
    }

    /// Lints are switched off with a reason only.
    fn attributes(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (at, _) in self.code.match_indices('#') {
            let open = at + self.code[at..].len() - self.code[at..].trim_start_matches(['#', '!']).len();
            if !self.code[open..].starts_with('[') {
                continue;
            }
            let attribute = &self.code[open..open + block_length(&self.code[open..])];
            for level in ["allow(", "expect("] {
                let is_plain = attribute[1..].starts_with(level);
                let is_nested =
                    attribute[1..].starts_with("cfg_attr(") && find_word(attribute, level).next().is_some();
                if (is_plain || is_nested) && !attribute.contains("reason") {
                    let wrong = format!("`{level}…)` without a reason");
                    findings.push(self.at(at, wrong, "add `reason = \"…\"`, or mend what the lint says"));
                }
            }
        }
        findings
    }

    fn length(&self) -> Vec<Finding> {
        let lines = self.text.lines().count();
        if !self.file.contains("/src/") || lines <= MOST_LINES {
            return Vec::new();
        }
        let wrong = format!("has {lines} lines, more than {MOST_LINES}");
        vec![Finding::new(self.file, wrong, "split it by subject")]
    }

    /// A library panics only where its caller asked for that, as with the mock's expectations.
    fn panics(&self) -> Vec<Finding> {
        let is_library = self.file.starts_with("tgscan-") && self.file.contains("/src/");
        if !is_library {
            return Vec::new();
        }
        let unwraps = self.library.match_indices(".unwrap()").map(|(at, _)| {
            self.at(at, "a library calls `.unwrap()`", "return an error, or `expect` with why it cannot fail")
        });
        let remedy =
            "return an error; if the caller asked for a panic, say so above in a comment `// Panics: …`";
        let panics = find_word(&self.library, "panic!")
            .filter(|at| !self.announces_panic(line_of(&self.code, *at)))
            .map(|at| self.at(at, "a library calls `panic!`", remedy));
        unwraps.chain(panics).collect()
    }

    fn announces_panic(&self, line: usize) -> bool {
        let above = line.checked_sub(1).and_then(|above| self.text.lines().nth(above));
        above.is_some_and(|above| above.trim_start().starts_with("// Panics: "))
    }

    /// Only what no sentence looks like: a comment that starts as a statement does and ends as one.
    fn dead_code(&self) -> Vec<Finding> {
        let starts =
            ["let ", "fn ", "pub ", "use ", "if ", "for ", "while ", "match ", "return ", "impl ", "struct "];
        let mut findings = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("// ") else { continue };
            if starts.iter().any(|start| comment.starts_with(start)) && comment.ends_with([';', '{']) {
                let remedy = "remove it; git remembers it";
                findings.push(Finding::at(self.file, number, "has code in a comment", remedy));
            }
        }
        findings
    }
}

/// As many bytes, with only the line breaks left.
fn blank(code: &str) -> Vec<u8> {
    code.bytes().map(|byte| if byte == b'\n' { byte } else { b' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        findings(&Tree::of(&[(file, text)])).iter().map(ToString::to_string).collect()
    }

    fn only(file: &str, text: &str) -> String {
        let found = found(file, text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        found[0].clone()
    }

    #[test]
    fn unfinished_code_is_found_everywhere() {
        for (marker, _) in UNFINISHED {
            let text = format!("//! A file.\n{marker}");
            assert!(only("xtask/src/a.rs", &text).starts_with(&format!("xtask/src/a.rs:2: has `{marker}`")));
            assert!(only("tgscan-mock/tests/it/a.rs", &text).contains(marker));
            assert_eq!(found("a/src/a.rs", &format!("// {marker}\nlet x = \"{marker}\";")), [""; 0]);
        }
    }

    #[test]
    fn sleeping_tests_are_found() {
        for sleep in ["std::thread::sleep(d)", "tokio::time::sleep(d).await"] {
            let test = format!("#[cfg(test)]\nmod tests {{\n    fn a() {{ {sleep}; }}\n}}\n");
            assert!(only("tgscan-mock/src/a.rs", &test).starts_with("tgscan-mock/src/a.rs:3: a test calls"));
            assert!(only("tgscan-mock/tests/it/a.rs", sleep).contains("a test calls"));
            assert_eq!(found("tgscan-mock/src/a.rs", sleep), [""; 0], "a fault may stall");
        }
    }

    #[test]
    fn lints_switched_off_without_a_reason_are_found() {
        for wrong in [
            "#[allow(x)]",
            "#![expect(a,\n b)]",
            "#[cfg_attr(test, allow(x))]",
            "#[expect(x, note = \"reason\")]",
        ] {
            assert!(only("a/src/a.rs", wrong).contains("without a reason"), "{wrong}");
        }
        for sound in [
            "#[allow(x, reason = \"y\")]",
            "#![expect(\n    x,\n    reason = \"[y\"\n)]",
            "#[cfg_attr(test, expect(x, reason = \"y\"))]",
            "x.expect(\"y\"); #[derive(Debug)] struct A;",
        ] {
            assert_eq!(found("a/src/a.rs", sound), [""; 0], "{sound}");
        }
    }

    #[test]
    fn long_files_are_found() {
        let longest = "//\n".repeat(MOST_LINES);
        assert_eq!(found("a/src/a.rs", &longest), [""; 0]);
        assert!(only("a/src/b/a.rs", &format!("{longest}//\n")).contains("has 401 lines"));
        assert_eq!(found("a/tests/it/a.rs", &format!("{longest}//\n")), [""; 0]);
    }

    #[test]
    fn panics_in_libraries_are_found() {
        assert!(only("tgscan-core/src/a.rs", "x\n    .unwrap();").starts_with("tgscan-core/src/a.rs:2: "));
        assert!(only("tgscan-mock/src/a.rs", "panic!(\"x\")").contains("a library calls `panic!`"));
        let announced = "// Panics: the caller asked for it.\npanic!(\"x\")";
        assert_eq!(found("tgscan-mock/src/a.rs", announced), [""; 0]);
        for sound in [
            "/// x.unwrap() panic!()\nfn a() {}",
            "#[cfg(test)]\nmod tests { fn a() { x.unwrap(); panic!() } }",
            "x.unwrap_or(1); let y = \".unwrap()\";",
        ] {
            assert_eq!(found("tgscan-core/src/a.rs", sound), [""; 0], "{sound}");
        }
        assert_eq!(found("tgscan-core/tests/it/a.rs", "x.unwrap()"), [""; 0]);
        assert_eq!(found("xtask/src/a.rs", "x.unwrap()"), [""; 0], "a task may panic");
    }

    #[test]
    fn code_in_comments_is_found() {
        for wrong in ["// let x = 1;", "    // fn a() {", "// use a::b;"] {
            assert!(only("a/src/a.rs", wrong).contains("code in a comment"), "{wrong}");
        }
        for sound in ["// let it be.", "// for example:", "/// let x = 1;", "//! use a::b;", "// if so, wait"]
        {
            assert_eq!(found("a/src/a.rs", sound), [""; 0], "{sound}");
        }
    }
}
