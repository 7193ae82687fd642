//! Which requests use up a step of a script or of an expectation.

use tgscan_mock::types::{Search, SearchAnswer, UserCheck};
use tgscan_mock::{Expect, Fault, FaultKind, Mock, MockServer, ServerOptions, UnknownAccounts};

use crate::support::{answer, control, message, post};

fn ask(mock: &Mock, key: &'static str) -> (u16, String) {
    let response = answer(mock, &post("/search", key, "query=alice"));
    let says = if response.status() == 200 { String::new() } else { message(&response) };
    (response.status().as_u16(), says)
}

/// A refused request uses no step, whatever the reason.
#[test]
fn a_refused_request_uses_no_step() {
    let charged = || Fault::new(FaultKind::Reset).charged();
    let unknown = || Mock::builder().unknown_accounts(100, UnknownAccounts::Error).build().unwrap();
    for (mock, key, refused) in [
        (Mock::new(), "wrong", 401),
        (Mock::new(), Mock::TEST_KEY, 403),
        (Mock::builder().credits(0).build().unwrap(), Mock::LIVE_KEY, 402),
        (Mock::builder().credits(4).cost::<Search>(5).build().unwrap(), Mock::LIVE_KEY, 402),
        (unknown(), Mock::LIVE_KEY, 404),
    ] {
        // A step for a normal answer counts too.
        mock.script::<Search>([None, Some(charged())]);
        mock.script_any([FaultKind::OkUnder500]);
        for _ in 0..3 {
            assert_eq!((ask(&mock, key).0, mock.script_left()), (refused, 3));
        }
        assert!(mock.requests().iter().all(|request| request.fault.is_none()));
        assert_eq!(mock.account().spent, 0);
    }
}

#[test]
fn steps_keep_their_order_after_refused_requests() {
    let mock = Mock::builder().credits(0).build().unwrap();
    mock.script::<Search>([FaultKind::CutJson { at: 1 }, FaultKind::CutJson { at: 2 }]);
    mock.script_any([FaultKind::CutJson { at: 3 }]);
    let mut lengths = Vec::new();
    for _ in 0..4 {
        assert_eq!(ask(&mock, Mock::LIVE_KEY).0, 402);
        mock.set_credits(1);
        lengths.push(answer(&mock, &post("/search", Mock::LIVE_KEY, "query=alice")).body().len().min(4));
    }
    assert_eq!((lengths, mock.account().spent), (vec![1, 2, 3, 4], 4));
}

#[test]
fn fault_before_processing_applies_without_credits() {
    let mock = Mock::builder().credits(0).build().unwrap();
    mock.script::<Search>([
        FaultKind::TooManyRequests { retry_after: None },
        FaultKind::Unavailable { retry_after: None },
    ]);
    assert_eq!([ask(&mock, Mock::LIVE_KEY).0, ask(&mock, Mock::LIVE_KEY).0], [429, 503]);
    assert_eq!((ask(&mock, Mock::LIVE_KEY).0, mock.script_left()), (402, 0));
}

#[test]
fn a_refused_call_does_not_meet_an_expected_fault() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let expected = r#"[{"method": "search", "fault": {"kind": "error_envelope", "status": 502}}]"#;
    control(server.address(), "POST", "expectations", expected);
    for (key, status, satisfied) in [("wrong", 401, false), (Mock::LIVE_KEY, 502, true)] {
        assert_eq!(ask(&mock, key).0, status);
        assert_eq!(control(server.address(), "GET", "expectations", "").1["satisfied"], satisfied);
    }
    // Neither does a fault that would change nothing.
    let mock = Mock::new();
    let fault = FaultKind::FieldMissing { field: "/result/groups/5000".into() };
    mock.expect(Expect::<Search>::any().then_fault(fault));
    assert_eq!([ask(&mock, Mock::LIVE_KEY).0, ask(&mock, Mock::LIVE_KEY).0], [400, 400]);
    let report = mock.verify().unwrap_err().to_string();
    assert!(report.contains("is expected 1 time, and was called 2 times, 2 of them refused"), "{report}");
}

#[test]
fn a_fault_that_changes_nothing_is_free_and_stays() {
    // Other answers have the field, but not this one.
    for (kind, field) in [
        (FaultKind::FieldMissing { field: "/result/groups/5000/title".into() }, "/result/groups/5000/title"),
        (FaultKind::FieldMistyped { field: "/result/groups/5000/id".into() }, "/result/groups/5000/id"),
    ] {
        let mock = Mock::new();
        mock.script::<Search>([kind.clone()]);
        let (status, says) = ask(&mock, Mock::LIVE_KEY);
        let why = format!("the fault changes nothing, because the answer lacks `{field}`");
        assert!(status == 400 && says.contains(&why), "{says}");
        let account = mock.account();
        assert_eq!((account.spent, account.credits, account.charged_calls), (0, 1000, 0));
        assert_eq!(
            (mock.requests()[0].charged, &mock.requests()[0].fault, mock.script_left()),
            (0, &None, 1)
        );
        let request = post("/search", Mock::LIVE_KEY, "query=alice");
        assert_eq!(mock.respond_with(&request, Some(&kind.into())).charged, 0);
        assert_eq!(mock.account().spent, 0);
    }
}

#[test]
fn a_refused_request_uses_no_step_of_an_expectation() {
    let mock = Mock::builder().credits(0).build().unwrap();
    let mut pinned = SearchAnswer::default();
    pinned.meta.op_cost = 2;
    mock.expect(Expect::<Search>::any().then_fault(FaultKind::OkUnder500).then_answer(pinned));
    assert_eq!([ask(&mock, "wrong").0, ask(&mock, Mock::LIVE_KEY).0], [401, 402]);
    let report = mock.verify().unwrap_err().to_string();
    assert!(report.contains("is expected 2 times, and was called 2 times, 2 of them refused"), "{report}");
    mock.set_credits(10);
    let faulted = answer(&mock, &post("/search", Mock::LIVE_KEY, "query=alice"));
    assert_eq!(faulted.status(), 500);
    assert_eq!(ask(&mock, "wrong").0, 401);
    assert_eq!(ask(&mock, Mock::LIVE_KEY).0, 200);
    mock.verify().unwrap();
    assert_eq!(mock.account().spent, mock.requests().iter().map(|request| request.charged).sum::<u64>());
    assert!(
        ask(&mock, Mock::LIVE_KEY).1.contains("the sequence of `search` with any query ended after 2 steps")
    );
    mock.verify().unwrap_err();
}

#[test]
fn refused_calls_count_for_a_maximum_that_is_set() {
    for (refused, times, is_met) in [(0, 1, true), (5, 1, false), (1, 2, false), (1, 3, false)] {
        let mock = Mock::new();
        mock.expect(Expect::<Search>::any().then_answer(SearchAnswer::default()).repeated().times(times));
        for key in std::iter::repeat_n("wrong", refused).chain([Mock::LIVE_KEY]) {
            ask(&mock, key);
        }
        assert_eq!(mock.verify().is_ok(), is_met, "{refused} refused, {times} expected");
    }
    let mock = Mock::new();
    mock.expect(Expect::<Search>::any().then_answer(SearchAnswer::default()).at_most(1));
    assert_eq!(["wrong", Mock::LIVE_KEY].map(|key| ask(&mock, key).0), [401, 400]);
    mock.verify().unwrap_err();
}

#[test]
fn a_refusal_uses_a_step_for_a_normal_answer() {
    let mock = Mock::builder().credits(0).build().unwrap();
    mock.expect(Expect::<Search>::any().then_default());
    assert_eq!(ask(&mock, Mock::LIVE_KEY).0, 402);
    mock.verify().unwrap();
}

#[test]
fn an_unexpected_request_uses_no_script_step() {
    let mock = Mock::new();
    mock.script_any([FaultKind::Close]);
    mock.expect(Expect::<UserCheck>::any().at_most(1));
    let (status, says) = ask(&mock, Mock::LIVE_KEY);
    assert!(status == 400 && says.contains("unexpected request"), "{says}");
    assert_eq!((mock.script_left(), mock.requests()[0].fault.is_none()), (1, true));
    mock.verify().unwrap_err();
}
