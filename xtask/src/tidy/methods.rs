//! Every API method has all of its parts, and no part is without its method.

use tgscan_types::registry::MethodInfo;

use super::rust::{code, find_word};
use super::{Finding, Tree};

const METHODS: &str = "tgscan-types/src/methods/";
const FIXTURES: &str = "tgscan-types/fixtures/";
const STRATEGIES: &str = "tgscan-mock/src/data/";
const ROUTES: &str = "tgscan-mock/src/engine/route.rs";
const RECIPE: &str = "the recipe is in tgscan-types/src/lib.rs, \"Adding an API method\"";

pub(super) fn findings(tree: &Tree, methods: &[MethodInfo]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = methods.iter().flat_map(|method| parts(tree, method)).collect();
    let is_known = |name: &str| methods.iter().any(|method| method.name == name);
    for (file, _) in tree.below(METHODS) {
        if file != "mod.rs" && !is_known(file.strip_suffix(".rs").unwrap_or(file)) {
            let remedy = "add its line to `visit_all` in `mod.rs`, and let its `NAME` be the file's name";
            findings.push(Finding::new(format!("{METHODS}{file}"), "is not in the registry", remedy));
        }
    }
    for (file, _) in tree.below(FIXTURES) {
        if !is_known(file.split('/').next().unwrap_or_default()) {
            let wrong = "is the fixture of no API method";
            findings.push(Finding::new(
                format!("{FIXTURES}{file}"),
                wrong,
                "remove it, or name it as the method",
            ));
        }
    }
    findings
}

/// What a method lacks, or has too much.
fn parts(tree: &Tree, method: &MethodInfo) -> Vec<Finding> {
    let name = method.name;
    let mut findings = Vec::new();
    let mut files = vec![
        format!("{METHODS}{name}.rs"),
        format!("{FIXTURES}{name}/answer.json"),
        format!("{FIXTURES}{name}/live.http"),
        format!("{STRATEGIES}{name}.rs"),
    ];
    let twin = format!("{FIXTURES}{name}/test.http");
    if method.test_path.is_some() {
        files.push(twin);
    } else if tree.has(&twin) {
        findings.push(Finding::new(twin, format!("{name} has no test method"), "remove the fixture"));
    }
    for file in files.into_iter().filter(|file| !tree.has(file)) {
        findings.push(Finding::new(file, format!("the API method {name} lacks this file"), RECIPE));
    }

    // Test methods are routed with their live twins.
    let arm = format!("visitor.visit::<$crate::types::{}>", type_name(name));
    let routes = code(tree.text(ROUTES).unwrap_or_default());
    if find_word(&routes, &arm).next().is_none() {
        findings.push(Finding::new(
            ROUTES,
            format!("has no route for {name}"),
            format!("add an arm for `{arm}`"),
        ));
    }
    let row = format!("| `{name}` |");
    if !tree.text("README.md").unwrap_or_default().lines().any(|line| line.starts_with(&row)) {
        let wrong = format!("the table of API methods has no row for {name}");
        findings.push(Finding::new("README.md", wrong, "run cargo xtask docs"));
    }
    findings
}

/// The request type of a method: its name in upper camel case.
pub(crate) fn type_name(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').filter(|word| !word.is_empty()).map(capital).collect()
}

#[cfg(test)]
mod tests {
    use tgscan_types::registry::infos;

    use super::*;

    /// A workspace in which every registered method has all of its parts.
    fn complete() -> Tree {
        let mut tree = Tree::of(&[("tgscan-types/src/methods/mod.rs", "")]);
        let (mut routes, mut table) = (Vec::new(), Vec::new());
        for method in infos() {
            let name = method.name;
            for file in [
                format!("{METHODS}{name}.rs"),
                format!("{FIXTURES}{name}/answer.json"),
                format!("{FIXTURES}{name}/live.http"),
                format!("{STRATEGIES}{name}.rs"),
            ] {
                tree.insert(&file, "");
            }
            if method.test_path.is_some() {
                tree.insert(&format!("{FIXTURES}{name}/test.http"), "");
            }
            routes.push(format!("$visitor.visit::<$crate::types::{}>();\n", type_name(name)));
            table.push(format!("| `{name}` | x |\n"));
        }
        tree.insert(ROUTES, &routes.concat());
        tree.insert("README.md", &table.concat());
        tree
    }

    fn only(tree: &Tree) -> String {
        let findings = findings(tree, &infos());
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings[0].to_string()
    }

    #[test]
    fn a_complete_workspace_has_no_findings() {
        assert_eq!(findings(&complete(), &infos()), []);
    }

    #[test]
    fn each_missing_file_is_found() {
        let is_part = |file: &&str| *file != ROUTES && *file != "README.md" && !file.ends_with("mod.rs");
        let files: Vec<String> =
            complete().files().map(|(file, _)| file).filter(is_part).map(str::to_owned).collect();
        let twins = infos().iter().filter(|method| method.test_path.is_some()).count();
        assert_eq!(files.len(), 4 * infos().len() + twins);
        for file in files {
            let mut tree = complete();
            tree.remove(&file);
            let found = only(&tree);
            assert!(found.starts_with(&file) && found.contains("lacks this file"), "{found}");
        }
    }

    #[test]
    fn a_missing_route_or_row_is_found() {
        let mut tree = complete();
        tree.replace(
            ROUTES,
            "visitor.visit::<$crate::types::Search>",
            "visitor.visit::<$crate::types::Research>(); // visitor.visit::<$crate::types::Search>\n",
        );
        assert!(only(&tree).contains("has no route for search"));
        let mut tree = complete();
        tree.replace("README.md", "| `user_check` |", "| user_check |");
        assert!(only(&tree).contains("has no row for user_check"));
    }

    #[test]
    fn parts_without_a_method_are_found() {
        for (file, says) in [
            ("tgscan-types/src/methods/groups.rs", "is not in the registry"),
            ("tgscan-types/fixtures/groups/answer.json", "is the fixture of no API method"),
            ("tgscan-types/fixtures/balance/test.http", "balance has no test method"),
        ] {
            let mut tree = complete();
            tree.insert(file, "");
            let found = only(&tree);
            assert!(found.starts_with(file) && found.contains(says), "{found}");
        }
    }

    #[test]
    fn type_names_are_those_of_the_registry() {
        let names: Vec<String> = infos().iter().map(|method| type_name(method.name)).collect();
        for name in ["Search", "Balance", "SimilarGroups", "UserCheck"] {
            assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
        }
    }
}
