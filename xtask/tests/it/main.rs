//! The generated documentation and the demo.

use std::process::Command;

#[test]
fn generated_documentation_is_up_to_date() {
    xtask::docs::check().unwrap();
}

#[test]
fn the_demo_ends_well_and_shows_all_seven_urls() {
    let demo = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("demo").output().unwrap();
    let printed = String::from_utf8(demo.stdout).unwrap();
    let complained = String::from_utf8(demo.stderr).unwrap();
    assert!(demo.status.success(), "{printed}{complained}");
    // The documented four, with seven URLs; a demo need not grow with every method.
    for method in tgscan_types::registry::infos().into_iter().take(4) {
        for path in [Some(method.path), method.test_path].into_iter().flatten() {
            assert!(printed.contains(&format!(" {path} ")), "{path} is not shown:\n{printed}");
        }
    }
}
