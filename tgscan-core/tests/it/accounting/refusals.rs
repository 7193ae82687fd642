//! Refusals by the service.

use super::*;

#[test]
fn refusals_with_200_are_classified_and_free() {
    for (message, refusal) in [
        ("unknown API key", Refusal::InvalidKey),
        ("not enough credits: the balance is 0, and this call costs 5", Refusal::NoCredits),
        ("the required argument `query` is missing", Refusal::BadQuery),
    ] {
        let api = live().with_cap(5, Reserve::PerCall(1));
        let (result, sent) = play(&api, similar(), || Ok(error_envelope(200, message)));
        let error = result.unwrap_err();
        assert_eq!((error.refusal(), error.credits(), sent), (Some(refusal), Credits::NotCharged, 1));
        assert_eq!(api.ledger().book().totals().committed(), 0, "the cap is unused");
    }
    let (result, _) = play(&live(), similar(), || Ok(error_envelope(200, "something else")));
    let error = result.unwrap_err();
    assert_eq!((error.refusal(), error.credits()), (Some(Refusal::Other), Credits::Uncertain));
}

#[test]
fn query_in_the_text_of_a_refusal_does_not_classify_it() {
    for (query, message) in [
        ("maintenance", "the search for @maintenance failed"),
        ("alice,overloaded", "Error while asking for overloaded, alice"),
        // Without the query, the text would not mention the charge.
        ("charged_up", "temporarily unavailable, 1 credit was charged..."),
    ] {
        let (result, sent) = play(&live(), SimilarGroups { query: query.parse().unwrap() }, || {
            Ok(error_envelope(200, message))
        });
        let error = result.unwrap_err();
        assert_eq!((error.refusal(), error.credits(), sent), (Some(Refusal::Other), Credits::Uncertain, 1));
    }
    let message =
        |message: &str| live().parse(&similar(), error_envelope(200, message)).unwrap_err().refusal();
    assert_eq!(message("alice: try again later"), Some(Refusal::Unavailable));
    assert_eq!(message("invalid username: alice"), Some(Refusal::BadQuery));
    assert_eq!(message("alice is missing"), Some(Refusal::Other), "the marker of a query is no word");
    assert_eq!(message(&format!("try again later{}", ", please".repeat(50))), Some(Refusal::Unavailable));
    assert_eq!(
        message(&format!("try again later{}", ", please".repeat(5000))),
        Some(Refusal::Other),
        "too long"
    );
}

#[test]
fn refusals_are_classified_by_status() {
    for (status, refusal, credits) in [
        (400, Refusal::BadQuery, Credits::NotCharged),
        (401, Refusal::InvalidKey, Credits::NotCharged),
        (402, Refusal::NoCredits, Credits::NotCharged),
        (403, Refusal::InvalidKey, Credits::NotCharged),
        (422, Refusal::BadQuery, Credits::NotCharged),
        (429, Refusal::TooManyRequests, Credits::NotCharged),
        (404, Refusal::Other, Credits::NotCharged),
        (418, Refusal::Other, Credits::NotCharged),
        (500, Refusal::Other, Credits::Uncertain),
        (503, Refusal::Other, Credits::Uncertain),
    ] {
        let error = live().parse(&similar(), error_envelope(status, "no")).unwrap_err();
        assert_eq!((error.refusal(), error.credits()), (Some(refusal), credits), "{status}");
    }
    // A gateway's response is not a refusal of the service.
    for status in [400, 402, 403, 503] {
        let error = live().parse(&similar(), response(status, "<html>")).unwrap_err();
        assert_eq!((error.refusal(), error.credits()), (None, Credits::Uncertain), "{status}");
    }
}

#[test]
fn callers_classifier_replaces_the_default_and_may_panic() {
    fn by_text(error: &ApiError) -> Option<Refusal> {
        match error.message() {
            "slow down" => Some(Refusal::TooManyRequests),
            "panic" => panic!("a classifier panics"),
            _ => None,
        }
    }
    let api = live().with_refusals(by_text);
    let (result, sent) = play(&api, similar(), || Ok(error_envelope(200, "slow down")));
    assert_eq!((result.unwrap_err().credits(), sent), (Credits::NotCharged, 4), "like a 429");
    let error = api.parse(&similar(), error_envelope(402, "panic")).unwrap_err();
    assert_eq!((error.refusal(), error.message()), (Some(Refusal::NoCredits), Some("panic")));
    let error = api.parse(&similar(), error_envelope(200, "unknown API key")).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Other), "without the default classifier");
}

#[test]
fn refusal_that_states_a_cost_was_charged() {
    let body = r#"{"status":"error","result":{"message":"unknown API key","meta":{"op_cost":7}}}"#;
    let error = live().parse(&similar(), response(200, body)).unwrap_err();
    assert_eq!((error.refusal(), error.credits()), (Some(Refusal::InvalidKey), Credits::Charged(7)));
}

#[test]
fn refusal_that_states_an_unreadable_cost_is_uncertain_and_sent_once() {
    let (after, beside) = (r#""meta":{"op_cost":COST}"#, r#""op_cost":COST"#);
    for (place, cost) in
        [(after, "2.5"), (after, "-1"), (after, "1e20"), (after, "\"three\""), (after, "{}"), (beside, "3")]
    {
        let fields = place.replace("COST", cost);
        for (status, message) in [(200, "try again later"), (429, "too many requests"), (409, "conflict")] {
            let body = format!(r#"{{"status":"error","result":{{"message":"{message}",{fields}}}}}"#);
            let api = live().with_cap(5, Reserve::PerCall(5));
            let (result, sent) = play(&api, similar(), || Ok(response(status, body.clone())));
            assert_eq!((sent, result.unwrap_err().credits()), (1, Credits::Uncertain), "{body}");
            assert_eq!(api.ledger().book().totals().uncertain, 5, "{body}");
        }
    }
    for free in [after, beside].map(|place| place.replace("COST", "0")) {
        let body = format!(r#"{{"status":"error","result":{{"message":"invalid query",{free}}}}}"#);
        let error = live().parse(&similar(), response(200, body)).unwrap_err();
        assert_eq!(error.credits(), Credits::NotCharged, "{free}");
    }
    let cut = || {
        let head = response(429, r#"{"result":{"meta":{"op_cost":1"#);
        Err(TransportError::response_started(head, "the connection was closed"))
    };
    let (result, sent) = play(&live(), similar(), cut);
    assert_eq!((sent, result.unwrap_err().credits()), (1, Credits::Uncertain));
}

#[test]
fn cap_has_room_again_after_refusals_for_an_empty_balance_and_a_purchase() {
    let api = live().with_cap(5, Reserve::PerCall(1));
    let ledger = api.ledger();
    let balance = |credits| {
        let ComparisonStart::Started(comparison) = ledger.start_comparison(1, Duration::ZERO, 0) else {
            panic!("early")
        };
        let body = format!(r#"{{"status":"ok","result":{{"num_credits":{credits}}}}}"#);
        let reply = play(&api, Balance {}, || Ok(response(200, body.clone()))).0.unwrap();
        ledger.finish_comparison(comparison, reply.answer.num_credits, 0)
    };
    balance(1);
    play(&api, similar(), || Ok(cost(1))).0.unwrap();
    for _ in 0..4 {
        // A text without a classification, with status 200.
        play(&api, similar(), || Ok(error_envelope(200, "top up"))).0.unwrap_err();
    }
    assert!(play(&api, similar(), || Ok(cost(1))).0.unwrap_err().is_cap_reached());
    // 1000 credits are bought but not recorded, so the comparison resolves nothing.
    let seen = balance(1000);
    assert_eq!((seen.outcome, seen.uncertain_attempts), (Outcome::Purchased(1000), 4));
    assert!(play(&api, similar(), || Ok(cost(1))).0.unwrap_err().is_cap_reached());
    ledger.record_purchase(1000);
    let seen = balance(1000);
    assert_eq!((seen.outcome, seen.resolved_attempts), (Outcome::Resolved(0), 4));
    let now = ledger.book().totals();
    assert_eq!((now.uncertain_attempts, now.remaining(5)), (0, 4));
    play(&api, similar(), || Ok(cost(1))).0.unwrap();
}
