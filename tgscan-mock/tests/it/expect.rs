//! Expectations and their reports.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use futures_executor::{LocalPool, block_on};
use futures_util::future::join;
use futures_util::task::LocalSpawnExt;
use proptest::strategy::Strategy;
use tgscan_mock::core::{Timer, async_trait};
use tgscan_mock::data::{Generate, Profile};
use tgscan_mock::types::{Balance, BalanceAnswer, Search, SearchAnswer, SimilarGroups, UserCheck, UserQuery};
use tgscan_mock::{Expect, Fault, FaultKind, KeyKind, Mock, Repeat};

use crate::support::{answer, message, post};

fn search(user: &str) -> Search {
    Search { query: query(user) }
}

fn query(user: &str) -> UserQuery {
    user.parse().unwrap()
}

fn pinned(id: i64) -> SearchAnswer {
    let mut answer = SearchAnswer::default();
    answer.user.get_or_insert_default().id = id;
    answer.meta.op_cost = 2;
    answer
}

/// Sends a request without a client, so that nothing is retried. Returns the message of an error.
fn ask(mock: &Mock, path: &str, body: &'static str) -> Option<String> {
    let response = answer(mock, &post(path, Mock::LIVE_KEY, body));
    (response.status() != 200).then(|| message(&response))
}

fn report(mock: &Mock) -> String {
    let unmet = mock.verify().unwrap_err();
    assert_eq!(format!("{unmet:?}"), unmet.to_string(), "a failing unwrap prints it");
    unmet.to_string()
}

#[test]
fn an_expectation_prints_its_method_and_not_its_query() {
    let printed = format!("{:?}", Expect::call(&search("private_name")));
    assert!(printed.contains("search") && !printed.contains("private_name"), "{printed}");
}

#[test]
fn answers_and_faults_come_in_sequence() {
    let mock = Mock::new();
    mock.expect(
        Expect::call(&search("alice"))
            .then_answer(pinned(1))
            .then_fault(Fault::new(FaultKind::Reset).charged())
            .then_default()
            .then_answer(pinned(2)),
    );
    let client = mock.client();
    block_on(async {
        assert_eq!(client.search(query("alice")).await.unwrap().answer.user.unwrap().id, 1);
        assert!(client.search(query("alice")).await.unwrap_err().delivery().is_some());
        assert_eq!(client.search(query("alice")).await.unwrap().answer.meta.search_query, "alice");
        assert_eq!(client.search(query("alice")).await.unwrap().answer.user.unwrap().id, 2);
    });
    // Given answers cost the credits that they state, others the configured cost.
    assert_eq!((mock.account().spent, mock.account().credits), (6, 994));
    mock.verify().unwrap();
    let requests = mock.requests();
    assert!(
        requests.iter().all(|request| request.form == "query=alice" && request.key == Some(KeyKind::Live))
    );
}

#[test]
fn a_call_after_the_last_step_is_refused_even_if_more_calls_are_expected() {
    let mock = Mock::new();
    mock.expect(Expect::call(&search("alice")).then_answer(pinned(1)).times(2));
    assert_eq!(ask(&mock, "/search", "query=alice"), None);
    let refused = ask(&mock, "/search", "query=alice").unwrap();
    assert!(refused.contains("the sequence of `search` with `query=alice` ended after 1 step"), "{refused}");
    assert!(mock.verify().is_err());
}

#[test]
fn the_default_action_follows_the_sequence() {
    let mock = Mock::new();
    let mut balance = BalanceAnswer::default();
    balance.num_credits = -5;
    mock.expect(Expect::<Balance>::any().then_default().then_answer(balance).repeated());
    block_on(async {
        let client = mock.client();
        for credits in [1000, -5, -5, -5] {
            assert_eq!(client.balance().await.unwrap().answer.num_credits, credits);
        }
    });
    mock.verify().unwrap();
}

#[test]
fn sampled_answers_depend_on_the_seed_and_have_the_configured_cost() {
    let groupless = || {
        Search::answers(Profile::Typical).prop_map(|mut answer| {
            answer.groups.clear();
            answer
        })
    };
    let answers = |seed| {
        let builder = Mock::builder().seed(seed).cost::<Search>(3).repeat(Repeat::Varied);
        let mock = builder.build().unwrap();
        mock.expect(Expect::<Search>::any().then_sampled(groupless()).repeated());
        let client = mock.client();
        let ids: Vec<i64> = ["alice", "bobby", "alice", "bobby"]
            .map(|user| {
                let reply = block_on(client.search(query(user))).unwrap();
                assert!(reply.answer.groups.is_empty());
                assert_eq!((reply.answer.meta.search_query.as_str(), reply.credits.charged()), (user, 3));
                reply.answer.user.unwrap().id
            })
            .into();
        mock.verify().unwrap();
        ids
    };
    assert_eq!(answers(7), answers(7));
    assert_ne!(answers(7), answers(8));
    assert_eq!(answers(7).iter().collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn a_script_that_runs_out_is_an_error() {
    let mock = Mock::new();
    mock.expect(Expect::call(&search("alice")).then_answer(pinned(1)));
    assert_eq!(ask(&mock, "/search", "query=alice"), None);
    let says = ask(&mock, "/search", "query=alice").unwrap();
    assert!(says.contains("the sequence of `search` with `query=alice` ended after 1 step"), "{says}");
    assert!(report(&mock).contains("ended after 1 step"));
    assert_eq!(mock.account().spent, 2, "unexpected requests are free");
}

#[test]
fn a_mismatch_names_the_criterion_and_the_nearest() {
    let mock = Mock::builder().seed(77).build().unwrap();
    mock.expect(Expect::call(&search("alice_b")));
    mock.expect(Expect::call(&search("bobby")));
    mock.expect(Expect::<UserCheck>::any().never());
    for (path, body, says) in [
        (
            "/search",
            "query=alice_c",
            "the query differs: the nearest expectation is `search` with `query=alice_b`",
        ),
        ("/chat/similar", "query=alice_b", "the API method differs: the nearest expectation is"),
        ("/user/check", "query=alice", "the count differs: `user_check` with any query is expected never"),
        ("/search", "q=%zz", "unexpected request: live `search` with an unreadable form"),
        ("/balance", "", "unexpected request: live `balance` without arguments"),
        ("/nowhere", "query=alice", "unexpected request: an unknown path"),
    ] {
        let error = ask(&mock, path, body).unwrap();
        assert!(error.contains(says), "{error}");
        assert!(report(&mock).contains(says));
    }
    let report = report(&mock);
    for says in [
        "`search` with `query=alice_b` is expected 1 time, and was called 0 times; the query differs: the nearest \
         request was live `search` with `query=alice_c`",
        "seed: 77, as in `Mock::builder().seed(77)`",
        "to run the test again: cargo test -p tgscan-mock -- --exact expect::",
    ] {
        assert!(report.contains(says), "{report}");
    }
    assert!(!report.contains("key-") && !report.contains("more unexpected"), "{report}");
}

#[test]
fn counts_can_be_exact_or_limits() {
    let calls = |expect: Expect<Search>, calls: usize| {
        let mock = Mock::new();
        mock.expect(expect);
        for _ in 0..calls {
            ask(&mock, "/search", "query=alice");
        }
        mock.verify().is_ok()
    };
    let met =
        |expect: Expect<Search>| (0..5).filter(|count| calls(expect.clone(), *count)).collect::<Vec<_>>();
    assert_eq!(met(Expect::any()), [1]);
    assert_eq!(met(Expect::any().times(2)), [2]);
    assert_eq!(met(Expect::any().at_least(3)), [3, 4]);
    assert_eq!(met(Expect::any().at_most(1)), [0, 1]);
    assert_eq!(met(Expect::any().at_least(1).at_most(2)), [1, 2]);
    assert_eq!(met(Expect::any().at_most(2).at_least(1)), [1, 2]);
    // If two contradict each other, the later one applies.
    assert_eq!(met(Expect::any().at_least(3).at_most(2)), [2]);
    assert_eq!(met(Expect::any().at_most(2).at_least(3)), [3]);
    assert_eq!(met(Expect::any().never()), [0]);
    assert_eq!(met(Expect::any().then_default().then_default()), [2]);
    assert_eq!(met(Expect::any().then_default().repeated()), [1, 2, 3, 4]);
}

#[test]
fn a_missed_count_reports_the_expected_one() {
    let says = |expect: Expect<Search>, calls: usize| {
        let mock = Mock::new();
        mock.expect(expect);
        for _ in 0..calls {
            ask(&mock, "/search", "query=alice");
        }
        report(&mock)
    };
    for (expect, calls, expected) in [
        (Expect::any(), 0, "is expected 1 time, and"),
        (Expect::any().times(3), 2, "is expected 3 times, and"),
        (Expect::any().at_least(3), 2, "is expected 3 times or more, and"),
        (Expect::any().at_most(2), 3, "is expected 2 times or fewer"),
        (Expect::any().at_least(2).at_most(3), 1, "is expected 2 to 3 times, and"),
        (Expect::any().never(), 1, "is expected never"),
    ] {
        let says = says(expect, calls);
        assert!(says.contains(expected), "{says}");
    }
}

#[test]
fn live_and_test_methods_both_count() {
    let mock = Mock::new();
    mock.expect(Expect::call(&search("alice")).times(2));
    assert_eq!(answer(&mock, &post("/test/search", Mock::TEST_KEY, "query=alice")).status(), 200);
    assert_eq!(ask(&mock, "/search", "query=alice"), None);
    let kinds: Vec<_> = mock.requests().iter().map(|request| request.is_test).collect();
    assert_eq!(kinds, [true, false]);
    mock.verify().unwrap();
}

#[test]
fn order_matters_if_it_is_requested() {
    let in_order = |paths: &[&str]| {
        let mock = Mock::new();
        mock.expect(Expect::<UserCheck>::any().in_order());
        mock.expect(Expect::<Search>::any().at_least(1).in_order());
        mock.expect(Expect::<UserCheck>::any().in_order());
        mock.expect(Expect::<Balance>::any().at_most(9));
        for path in paths {
            ask(&mock, path, if *path == "/balance" { "" } else { "query=alice" });
        }
        mock.verify().map_err(|unmet| unmet.to_string())
    };
    in_order(&["/user/check", "/search", "/balance", "/search", "/user/check"]).unwrap();
    in_order(&["/balance", "/user/check", "/search", "/user/check", "/balance"]).unwrap();
    let error = in_order(&["/search", "/user/check"]).unwrap_err();
    assert!(error.contains("out of order: `user_check` with any query comes first"), "{error}");
    let error = in_order(&["/user/check", "/search", "/user/check", "/search"]).unwrap_err();
    assert!(error.contains("out of order: `search` with any query must come first"), "{error}");
}

#[test]
fn the_report_has_names_and_readable_queries() {
    let mock = Mock::new();
    let groups = SimilarGroups { query: "alice_b,bobby".parse().unwrap() };
    mock.expect(Expect::call(&groups).named("groups of both"));
    let report = report(&mock);
    assert!(
        report.contains("groups of both: `similar_groups` with `query=alice_b,bobby` is expected"),
        "{report}"
    );
}

#[test]
fn wait_until_satisfied_ends_with_the_calls_or_at_its_limit() {
    let mock = Mock::new();
    mock.expect(Expect::call(&search("alice")));
    let (client, timer) = (mock.client(), mock.timer().clone());
    block_on(async {
        let later = async {
            timer.sleep(Duration::from_secs(5)).await;
            client.search("alice").await.unwrap();
        };
        let (seen, ()) = join(mock.wait_until_satisfied(Duration::from_secs(60), &timer), later).await;
        seen.unwrap();
        assert_eq!(timer.now(), Duration::from_secs(5));
        mock.expect(Expect::call(&search("bobby")));
        mock.wait_until_satisfied(Duration::from_secs(60), &timer).await.unwrap_err();
        assert_eq!(timer.now(), Duration::from_secs(65));
    });
}

/// A timer whose sleeps do not end.
struct Endless;

#[async_trait]
impl Timer for Endless {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}

#[test]
fn removed_expectations_end_the_wait() {
    for remove in [Mock::reset, Mock::clear_expectations] {
        let mock = Mock::new();
        mock.expect(Expect::call(&search("alice")));
        let (waiting, satisfied) = (mock.clone(), Rc::new(Cell::new(false)));
        let (mut pool, is_satisfied) = (LocalPool::new(), satisfied.clone());
        let wait = async move {
            waiting.wait_until_satisfied(Duration::from_secs(60), &Endless).await.unwrap();
            satisfied.set(true);
        };
        pool.spawner().spawn_local(wait).unwrap();
        pool.run_until_stalled();
        assert!(!is_satisfied.get());
        remove(&mock);
        // Polls only the tasks that were woken.
        pool.run_until_stalled();
        assert!(is_satisfied.get());
    }
}

#[test]
fn an_unused_script_step_is_reported() {
    let mock = Mock::new();
    mock.script::<Search>([FaultKind::Close, FaultKind::Reset]);
    block_on(mock.client().search("alice")).unwrap_err();
    let report = report(&mock);
    assert!(report.contains("1 script step unused"), "{report}");
    mock.clear_script();
    mock.verify().unwrap();
}

#[test]
fn neither_keys_nor_queries_are_in_debug() {
    let mock = Mock::new();
    let expect = Expect::call(&search("some_username")).then_answer(pinned(1));
    assert!(!format!("{expect:?}").contains("some_username"));
    mock.expect(expect.at_most(1));
    let builder = Mock::builder().seed(77).live_key("own-key");
    for printed in [format!("{builder:?}"), format!("{:?}", builder.build().unwrap())] {
        assert!(printed.starts_with("Mock") && printed.contains("seed: 77"), "{printed}");
        assert!(!printed.contains("own-key"), "{printed}");
    }
    assert!(!format!("{mock:?}").contains("some_username"));
}

#[test]
fn many_mismatches_are_counted_and_not_stored() {
    let mock = Mock::new();
    mock.expect(Expect::<Search>::any().never());
    for _ in 0..30 {
        ask(&mock, "/search", "query=alice");
    }
    let report = report(&mock);
    assert!(report.contains("- and 10 more unexpected requests"), "{report}");
    assert!(report.lines().count() < 30);
}
