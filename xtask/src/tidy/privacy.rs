//! No `Debug` of a schema type prints a text or an id: queries and answers are personal data.

use super::rust::{block_length, code, find_word, line_of, tests};
use super::{Finding, Tree};

const METHODS: &str = "tgscan-types/src/methods/";

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let in_file = |(file, text): (&str, &str)| in_file(&format!("{METHODS}{file}"), text);
    tree.below(METHODS).flat_map(in_file).collect()
}

fn in_file(file: &str, text: &str) -> Vec<Finding> {
    let code = code(text);
    let tests = tests(&code);
    let is_test = |at: usize| tests.iter().any(|range| range.contains(&at));
    let mut findings = Vec::new();
    for at in find_word(&code, "struct ").filter(|at| !is_test(*at)) {
        let (head, block) = block(&code[at..]);
        let name: String = head["struct ".len()..].chars().take_while(|c| c.is_alphanumeric()).collect();
        let personal: Vec<&str> = block.lines().filter_map(personal_field).collect();
        if personal.is_empty() {
            continue;
        }
        // The attributes stand between the end of the item before and the type.
        let attributes = &code[code[..at].rfind(['}', ';']).unwrap_or(0)..at];
        if find_word(attributes, "Debug").next().is_some() {
            let wrong = format!("the derived `Debug` of `{name}` prints {}", personal.join(", "));
            let remedy = "use `opaque_debug!`, or implement it without them";
            findings.push(Finding::at(file, line_of(&code, at), wrong, remedy));
        }
        let implementation = format!("Debug for {name} ");
        for at in code.match_indices(&implementation).map(|(at, _)| at) {
            let (_, block) = self::block(&code[at..]);
            for field in personal.iter().filter(|field| is_printed(block, field)) {
                let wrong = format!("`Debug` of `{name}` prints `{field}`");
                findings.push(Finding::at(
                    file,
                    line_of(&code, at),
                    wrong,
                    "leave it out, or print its length",
                ));
            }
        }
    }
    findings
}

/// What stands before the first block, and the block.
fn block(code: &str) -> (&str, &str) {
    let open = code.find('{').unwrap_or(code.len());
    (&code[..open], &code[open..open + block_length(&code[open..])])
}

/// The name of the field in this line, if its value says something about a person: a text or an id.
fn personal_field(line: &str) -> Option<&str> {
    let (name, kind) = line.trim().strip_prefix("pub ")?.split_once(':')?;
    let is_number = ["i32", "i64", "u32", "u64"].iter().any(|number| kind.contains(number));
    let is_id = is_number && name.split('_').any(|word| ["id", "ids"].contains(&word));
    (is_id || kind.contains("String")).then_some(name)
}

/// Whether the code uses a field's value and not its length alone.
fn is_printed(code: &str, field: &str) -> bool {
    let word = format!("self.{field}");
    code.match_indices(&word).any(|(at, _)| {
        let rest = &code[at + word.len()..];
        !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            && ![".len()", ".is_empty()", ".is_some()"].iter().any(|harmless| rest.starts_with(harmless))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
        /// A group.
        #[derive(Clone, Default)]
        pub struct Group {
            pub id: i64,
            pub names: Vec<String>,
            pub width: u64,
        }
        impl fmt::Debug for Group {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(\"Group\").field(\"names\", &self.names.len()).field(\"width\", &self.width).finish()
            }
        }
        /// Counts have no secrets.
        #[derive(Debug)]
        pub struct Counts { pub width: u64 }
        #[cfg(test)]
        mod tests {
            #[derive(Debug)]
            struct Inner {
                pub name: String,
            }
        }";

    fn found(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        let tree = Tree::of(&[("tgscan-types/src/methods/group.rs", &GOOD.replacen(from, to, 1))]);
        findings(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn types_that_hide_texts_and_ids_have_no_findings() {
        assert_eq!(found("Group", "Group"), [""; 0]);
    }

    #[test]
    fn a_derived_debug_of_a_text_or_an_id_is_found() {
        let found = found("Clone, Default", "Clone, Debug");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("group.rs:4") && found[0].contains("prints id, names"), "{found:?}");
    }

    #[test]
    fn a_written_debug_that_prints_one_is_found() {
        for (to, says) in [("&self.names", "prints `names`"), ("&self.names.len(), &self.id", "prints `id`")]
        {
            let found = found("&self.names.len()", to);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(says), "{found:?}");
        }
    }
}
