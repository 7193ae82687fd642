//! Tests of the generated documentation and the demo.

use std::process::Command;

#[test]
fn generated_documentation_is_up_to_date() {
    xtask::docs::check().unwrap();
}

#[test]
fn demo_succeeds_and_shows_all_seven_urls() {
    let demo = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("demo").output().unwrap();
    let printed = String::from_utf8(demo.stdout).unwrap();
    let errors = String::from_utf8(demo.stderr).unwrap();
    assert!(demo.status.success(), "{printed}{errors}");
    // The four documented methods, with seven URLs; further methods need no demo.
    for method in tgscan_types::registry::infos().into_iter().take(4) {
        for path in [Some(method.path), method.test_path].into_iter().flatten() {
            assert!(printed.contains(&format!(" {path} ")), "{path} is not shown:\n{printed}");
        }
    }
}
