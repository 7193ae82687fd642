//! The metrics of budgets, whose periods end and which a configuration removes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tgscan_core::store::StorePolicy;
use tgscan_core::{Api, ApiKey, Budget, Client, Period, Reserve};
use tgscan_mock::Mock;
use tgscan_store::{Clock, FileStore};

use crate::operation::metric;
use crate::support::{Gateway, PRICE, World};

fn left(gateway: &Gateway, period: &str) -> Option<f64> {
    let period = format!("period=\"{period}\"");
    metric(gateway, &["tgscan_budget_left_credits", "name=\"crawler\"", &period])
}

#[test]
fn metrics_show_the_current_period_before_its_first_call() {
    let world = World::new(100);
    let periods = [("total", Period::Total), ("day", Period::Day), ("month", Period::Month)];
    // A call of two months ago.
    let clock = Clock::new(|| SystemTime::now() - Duration::from_hours(62 * 24));
    let store = Arc::new(FileStore::open_with_clock(world.path("answers"), clock).unwrap());
    let api = Api::with_base_url(&world.server.url(), ApiKey::live(Mock::LIVE_KEY).unwrap()).unwrap();
    let day = Duration::from_hours(24);
    let mut client = Client::new(api, world.mock.clone(), world.mock.timer().clone())
        .with_store(store.clone(), StorePolicy::new("default", day, day));
    for (_, period) in periods {
        client = client.with_budget(Budget::new("crawler", 20, period, Reserve::PerCall(PRICE)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(client.search("alice_1")).unwrap();
    drop((client, store));
    let key = world.key("crawler", &["--total", "20", "--per-day", "20", "--per-month", "20"]);
    let gateway = world.start();
    let all = |gateway: &Gateway| periods.map(|(name, _)| left(gateway, name));
    assert_eq!(all(&gateway), [Some(18.0), Some(20.0), Some(20.0)]);
    assert_eq!(gateway.search(&key, "bob_1").status, 200);
    assert_eq!(all(&gateway), [Some(16.0), Some(18.0), Some(18.0)]);
}

#[test]
fn metrics_do_not_show_a_budget_that_a_reload_removed() {
    let world = World::new(100);
    world.key("crawler", &["--total", "10", "--per-day", "8"]);
    let gateway = world.start();
    assert_eq!((left(&gateway, "total"), left(&gateway, "day")), (Some(10.0), Some(8.0)));
    let text = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    assert!(text.contains("per_day = 8\n"), "{text}");
    world.write("gateway.toml", &text.replace("per_day = 8\n", ""));
    gateway.signal("-HUP");
    gateway.wait_for("reloaded");
    assert_eq!((left(&gateway, "total"), left(&gateway, "day")), (Some(10.0), None));
    world.write("gateway.toml", text.rsplit_once("[[keys]]").unwrap().0);
    gateway.signal("-HUP");
    gateway.wait_for("reloaded");
    assert_eq!((left(&gateway, "total"), left(&gateway, "day")), (None, None));
}
