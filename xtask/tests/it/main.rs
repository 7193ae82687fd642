//! Generated documentation and the demo.

mod demo;

#[test]
fn generated_documentation_is_up_to_date() {
    xtask::docs::check().unwrap();
}
