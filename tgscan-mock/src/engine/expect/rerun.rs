//! The command that runs a failed test again.

/// Returns the command that runs only this test. Rust's test harness names each test's thread after the test, and cargo
/// sets the package.
pub(super) fn rerun() -> Option<String> {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main" && !name.starts_with("tgscan-mock"))?;
    let package = std::env::var("CARGO_PKG_NAME").ok()?;
    Some(format!("cargo test -p {package} -- --exact {test}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_thread_has_a_command_to_run_it_again() {
        let on = |name: &str| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(rerun).unwrap().join().unwrap()
        };
        assert_eq!(on("main"), None);
        assert_eq!(on("tgscan-mock-server"), None);
        assert_eq!(on("a::test").unwrap(), "cargo test -p tgscan-mock -- --exact a::test");
    }
}
