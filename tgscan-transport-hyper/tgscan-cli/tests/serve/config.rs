//! The configuration, read as a whole or refused as a whole.

use crate::support::World;

#[test]
fn a_configuration_with_errors_is_refused_and_the_old_one_stays() {
    let world = World::new(100);
    let key = world.key("a", &["--total", "4"]);
    let gateway = world.start();
    let right = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    for (wrong, problem) in [
        (right.replace("cap = 1000", "cap = \"secret\""), "expected u64"),
        (right.replace("cap = 1000", ""), "missing field `cap`"),
        (right.replace("reserve = 2", "reserve = 0"), "`reserve` must be"),
        (
            right.replace("cap = 1000", "cap = 1000\naccount = \"other\""),
            "a change of account needs a restart",
        ),
        (right.replace("\"live.key\"", "\"secret.key\""), "secret.key"),
        (right[..right.len() - 20].to_owned(), "line"),
        (String::new(), "missing field"),
    ] {
        world.write("gateway.toml", &wrong);
        gateway.signal("-HUP");
        let refused = gateway.wait_for("reload_refused");
        assert!(refused["problem"].as_str().unwrap().contains(problem), "{refused}");
        assert!(!refused["problem"].as_str().unwrap().contains("\"secret\""), "{refused}");
        assert_eq!(gateway.search(&key, "some_name").status, 200);
    }
    world.write("gateway.toml", &right);
    gateway.signal("-HUP");
    gateway.wait_for("reloaded");
    assert_eq!(gateway.search(&key, "some_name").status, 200);
}

#[test]
fn keys_and_budgets_change_without_a_restart() {
    let world = World::new(100);
    let first = world.key("first", &["--total", "2"]);
    let gateway = world.start();
    assert_eq!(gateway.search(&first, "name_1").status, 200);
    assert_eq!(gateway.search(&first, "name_2").status, 402);
    let second = world.key("second", &[]);
    assert_eq!(gateway.search(&second, "name_2").status, 401);
    let text = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    world.write("gateway.toml", &text.replace("total = 2", "total = 4"));
    gateway.signal("-HUP");
    gateway.wait_for("reloaded");
    assert_eq!(gateway.search(&second, "name_2").status, 200);
    assert_eq!(gateway.search(&first, "name_3").status, 200);
    assert_eq!(gateway.search(&first, "name_4").status, 402);
    // Without its table, a key is unknown.
    let text = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    let (before, _) = text.rsplit_once("[[keys]]").unwrap();
    world.write("gateway.toml", before);
    gateway.signal("-HUP");
    gateway.wait_for("reloaded");
    assert_eq!(gateway.search(&second, "name_2").status, 401);
}

#[test]
fn a_gateway_starts_with_a_store_and_a_cap_alone() {
    let world = World::new(100);
    for (from, to, problem) in [
        ("cap = 1000", "", "missing field `cap`"),
        ("store = \"answers\"", "", "no store"),
        ("127.0.0.1:0", "0.0.0.0:0", "--allow-remote"),
    ] {
        world.configure("", "");
        let text = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
        world.write("gateway.toml", &text.replace(from, to));
        let output = world.run(&[]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(problem), "{said}");
    }
}

#[test]
fn flags_of_other_commands_are_refused() {
    let world = World::new(100);
    let output = world.run(&["--max-credits", "3"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("takes no --max-credits"));
}

#[test]
fn check_reads_the_configuration_and_listens_to_nothing() {
    let world = World::new(100);
    assert_eq!(world.run(&["check"]).status.code(), Some(0));
    world.configure("kap = 3", "");
    assert_eq!(world.run(&["check"]).status.code(), Some(2));
}
