//! Local keys.

use crate::support::{PRICE, World};

#[test]
fn a_key_is_printed_once_and_stored_as_a_hash() {
    let world = World::new(100);
    let before = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    let key = world.key("crawler", &["--per-day", "10", "--method", "search"]);
    assert_eq!(key.len(), 32);
    let after = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    assert!(after.starts_with(&before));
    assert!(!after.contains(&key));
    assert!(after.contains("name = \"crawler\"") && after.contains("per_day = 10"), "{after}");
    assert_ne!(world.key("other", &[]), key);
    let again = world.run(&["keys", "add", "crawler"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is a key \"crawler\""));
    assert!(again.stdout.is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn a_key_that_cannot_be_printed_is_reported_with_the_remedy() {
    let world = World::new(100);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = world.command(&["keys", "add", "crawler"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("remove the `[[keys]]` table of \"crawler\" from gateway.toml"), "{error}");
}

#[test]
fn a_key_is_not_added_to_a_file_with_errors() {
    let world = World::new(100);
    world.configure("kap = 3", "");
    let before = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    for name in ["crawler", "", "a b", "a\"b"] {
        let output = world.run(&["keys", "add", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
    assert_eq!(std::fs::read_to_string(world.path("gateway.toml")).unwrap(), before);
}

#[test]
fn requests_without_one_right_key_are_refused() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let with = |head: &str| {
        let head = format!("POST /tgscan/v1/balance HTTP/1.1\r\nHost: a\r\n{head}Content-Length: 0\r\n");
        gateway.send(&format!("{head}Connection: close\r\n\r\n"))
    };
    let right = format!("Api-Key: {key}\r\n");
    assert_eq!(with(&right).status, 200);
    let service_key = format!("Api-Key: {}\r\n", tgscan_mock::Mock::LIVE_KEY);
    let hash = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    let hash = hash.split("hash = \"").nth(1).unwrap().split('"').next().unwrap();
    for head in [
        "",
        "Api-Key: \r\n",
        "Api-Key: wrong\r\n",
        &format!("{right}{right}"),
        &service_key,
        &format!("Api-Key: {hash}\r\n"),
    ] {
        let response = with(head);
        assert_eq!((response.status, &*response.code()), (401, "invalid_key"), "{head}");
    }
    assert_eq!(world.mock.requests().len(), 1);
}

#[test]
fn a_key_calls_its_own_methods_alone() {
    let world = World::new(100);
    let key = world.key("a", &["--method", "user_check", "--method", "balance"]);
    let gateway = world.start();
    assert_eq!(gateway.post("/tgscan/v1/user/check", &key, "query=some_name").status, 200);
    let refused = gateway.search(&key, "some_name");
    assert_eq!((refused.status, &*refused.code()), (403, "method_not_allowed"));
}

#[test]
fn each_key_has_its_budgets_under_one_cap() {
    let world = World::new(100);
    world.configure("cap = 10", "");
    let small = world.key("small", &["--total", "4"]);
    let daily = world.key("daily", &["--per-day", "4", "--per-month", "100"]);
    let free = world.key("free", &[]);
    let gateway = world.start();
    let mut next = 0;
    let mut search = |key: &str| {
        next += 1;
        gateway.search(key, &format!("name_{next}"))
    };
    for key in [&small, &daily] {
        assert_eq!([search(key).status, search(key).status], [200, 200]);
        let refused = search(key);
        assert_eq!((refused.status, &*refused.code()), (402, "budget_reached"));
        assert_eq!(refused.header("x-tgscan-credits"), Some("0"));
    }
    assert_eq!(search(&free).status, 200);
    let refused = search(&free);
    assert_eq!((refused.status, &*refused.code()), (402, "cap_reached"));
    // A stored answer costs nothing, and needs no budget.
    assert_eq!(gateway.search(&small, "name_1").status, 200);
    assert_eq!(world.mock.account().spent, 5 * PRICE);
}

#[test]
fn the_key_of_the_service_stays_in_the_gateway() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let response = gateway.search(&key, "some_name");
    let service_key = tgscan_mock::Mock::LIVE_KEY;
    assert!(!response.head.contains(service_key) && !response.body.contains(service_key));
    world.mock.script_any([tgscan_mock::Fault::new(tgscan_mock::FaultKind::ErrorEnvelope { status: 418 })
        .with_message(format!("no luck with {service_key}"))]);
    let refused = gateway.search(&key, "other_name");
    assert_eq!((refused.status, &*refused.code()), (418, "refused"));
    assert!(!refused.body.contains(service_key), "{refused:?}");
}
