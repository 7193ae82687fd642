//! Calls that may send an uncertain attempt again.

use super::*;

#[test]
fn resending_an_uncertain_attempt_books_both() {
    let api = live().with_retry(resending());
    let wait = waits(begin(&api, similar()).received(maybe_sent(), at(NOW)));
    assert_eq!(booked(api.ledger()), (0, 0, 1), "the call is in flight and has a reserve");
    let reply = done(again(wait).received(Ok(response(200, SIMILAR)), at(NOW))).unwrap();
    assert_eq!((reply.attempts, reply.credits), (2, Credits::Charged(1)));
    assert_eq!(booked(api.ledger()), (1, 1, 0));
}

#[test]
fn call_dropped_in_a_backoff_after_an_uncertain_attempt_is_uncertain() {
    let api = live().with_retry(resending());
    drop(waits(begin(&api, similar()).received(maybe_sent(), at(NOW))));
    assert_eq!(booked(api.ledger()), (0, 1, 0));
}

#[test]
fn comparison_waits_for_a_call_with_an_uncertain_attempt() {
    let api = live().with_retry(resending()).with_cap(9, Reserve::PerCall(1));
    let ledger = api.ledger();
    let wait = waits(begin(&api, similar()).received(maybe_sent(), at(NOW)));
    assert_eq!(ledger.start_comparison(1, Duration::ZERO, 0), ComparisonStart::Busy);
    ledger.end_comparison(1);
    let sent = again(wait);
    // An attempt of a call in flight cannot be resolved by hand either.
    ledger.resolve_uncertain(0);
    assert_eq!(booked(ledger), (0, 0, 2));
    let reply = done(sent.received(Ok(response(200, SIMILAR)), at(NOW))).unwrap();
    assert_eq!((reply.credits, booked(ledger)), (Credits::Charged(1), (1, 1, 0)));
}

#[test]
fn call_with_an_uncertain_attempt_is_uncertain_after_a_free_one() {
    let mut policy = resending();
    policy.max_attempts = 2;
    let api = live().with_retry(policy);
    let wait = waits(begin(&api, similar()).received(maybe_sent(), at(NOW)));
    let error = done(again(wait).received(Ok(response(429, "busy")), at(NOW))).unwrap_err();
    assert_eq!((error.attempts(), error.credits()), (2, Credits::Uncertain));
    assert_eq!(booked(api.ledger()), (0, 1, 0));
}

#[test]
fn error_keeps_the_bytes_of_earlier_attempts_that_may_have_been_charged() {
    let cut = || {
        let partial = response(200, &SIMILAR[..40]);
        Err(TransportError::response_started(partial, "the connection was closed"))
    };
    let never_sent = || Err(TransportError::never_sent("the connection was refused"));
    let page = || Ok(response(502, "<html>Bad Gateway</html>"));
    let mut policy = resending();
    policy.max_attempts = 3;
    for (second, last, status, earlier) in [
        (never_sent(), never_sent(), 200, vec![200]),
        (never_sent(), page(), 502, vec![200]),
        (page(), Ok(response(429, "busy")), 429, vec![200, 502]),
    ] {
        let wait = waits(begin(&live().with_retry(policy), similar()).received(cut(), at(NOW)));
        let wait = waits(again(wait).received(second, at(NOW)));
        let error = done(again(wait).received(last, at(NOW))).unwrap_err();
        let kept = error.earlier_responses();
        assert_eq!(kept[0].body(), &SIMILAR.as_bytes()[..40], "{error}");
        assert_eq!(kept.iter().map(|kept| kept.status().as_u16()).collect::<Vec<_>>(), earlier, "{error}");
        assert_eq!(error.response().unwrap().status().as_u16(), status, "{error}");
    }
}

#[test]
fn returns_first_error_if_the_cap_leaves_no_room_for_another_attempt() {
    let api = live().with_retry(resending()).with_cap(1, Reserve::PerCall(1));
    let wait = waits(begin(&api, similar()).received(maybe_sent(), at(NOW)));
    let error = done(wait.resume(at(NOW))).unwrap_err();
    assert!(error.is_timeout() && !error.is_cap_reached(), "{error}");
    assert_eq!((error.attempts(), error.credits()), (1, Credits::Uncertain));
    assert_eq!(booked(api.ledger()), (0, 1, 0));
}
