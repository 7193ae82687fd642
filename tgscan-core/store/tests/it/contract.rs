//! The contract, asked directly.

use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::store::{Claim, ClaimRequest, Question, Settlement, StoreCap};
use tgscan_core::{Credits, Reserve};

use crate::support::{HOUR, Subject, with_each_store};

fn question(form: &str) -> Question {
    Question::new("main", true, "search", form)
}

fn request(form: &str) -> ClaimRequest {
    ClaimRequest::new(question(form), 10 * HOUR)
}

fn granted(claim: &Claim) -> u64 {
    match claim {
        Claim::Granted(call) => *call,
        other => panic!("{other:?}"),
    }
}

fn answered(credits: Credits) -> Settlement {
    Settlement::Answered { status: 200, body: "an answer".into(), credits }
}

fn accounts_live_and_test_and_methods_do_not_mix(open: fn() -> Subject) {
    let subject = open();
    let store = &subject.store;
    for question in [
        Question::new("main", true, "search", "query=a"),
        Question::new("other", true, "search", "query=a"),
        Question::new("main", false, "search", "query=a"),
        Question::new("main", true, "similar_groups", "query=a"),
        Question::new("main ", true, "search", "query=a"),
        Question::new("main", true, "search", "query=A"),
    ] {
        let claim = block_on(store.claim(&ClaimRequest::new(question, HOUR))).unwrap();
        block_on(store.settle(granted(&claim), answered(Credits::Charged(1)))).unwrap();
    }
    assert_eq!(block_on(store.book("main")).unwrap().charged, 4);
    assert_eq!(block_on(store.book("main ")).unwrap().charged, 1);
    assert_eq!(block_on(store.book("other")).unwrap().charged, 1);
}

fn late_settlement_replaces_the_uncertainty(open: fn() -> Subject) {
    let mut subject = open();
    let call = granted(&block_on(subject.store.claim(&request("query=a"))).unwrap());
    subject.reopen();
    let store = &subject.store;
    assert!(matches!(block_on(store.claim(&request("query=a"))).unwrap(), Claim::Uncertain { .. }));
    block_on(store.settle(call, answered(Credits::Charged(3)))).unwrap();
    let book = block_on(store.book("main")).unwrap();
    assert_eq!((book.charged, book.uncertain_calls(), book.in_flight_calls()), (3, 0, 0));
    assert!(matches!(block_on(store.claim(&request("query=a"))).unwrap(), Claim::Stored(_)));
    // A second end changes nothing.
    block_on(store.settle(call, answered(Credits::Charged(9)))).unwrap();
    assert_eq!(block_on(store.book("main")).unwrap().charged, 3);
}

fn abandoned_claims_are_booked(open: fn() -> Subject) {
    let subject = open();
    let store = &subject.store;
    let call = granted(&block_on(store.claim(&request("query=a"))).unwrap());
    // It is booked soon after.
    let claim = || loop {
        match block_on(store.claim(&request("query=a"))).unwrap() {
            Claim::InFlight { .. } => {}
            claim => return claim,
        }
    };
    store.abandon(call, Settlement::NotCharged);
    let call = granted(&claim());
    store.abandon(call, Settlement::Unanswered(None));
    assert!(matches!(claim(), Claim::Uncertain { .. }));
}

fn cap_counts_calls_in_flight_at_their_price(open: fn() -> Subject) {
    let subject = open();
    let store = &subject.store;
    let capped = |form: &str, reserve| {
        let mut request = request(form);
        request.cap = Some(StoreCap { credits: 10, reserve });
        block_on(store.claim(&request)).unwrap()
    };
    let one = granted(&capped("query=a", Reserve::OneAtATime));
    let Claim::CapReached(refused) = capped("query=b", Reserve::OneAtATime) else { panic!("granted") };
    assert!(refused.in_flight_is_open, "{refused}");
    block_on(store.settle(one, answered(Credits::Charged(4)))).unwrap();
    granted(&capped("query=b", Reserve::OneAtATime));
    let Claim::CapReached(refused) = capped("query=c", Reserve::OneAtATime) else { panic!("granted") };
    assert!(refused.is_transient(), "{refused}");
    assert_eq!((refused.charged, refused.in_flight, refused.price), (4, 4, Some(4)));
}

fn expired_answer_is_never_returned(open: fn() -> Subject) {
    let subject = open();
    let store = &subject.store;
    let call = granted(&block_on(store.claim(&request("query=a"))).unwrap());
    block_on(store.settle(call, answered(Credits::Charged(1)))).unwrap();
    subject.clock.advance(10 * HOUR);
    let mut only = request("query=a");
    only.stored_only = true;
    assert!(matches!(block_on(store.claim(&only)).unwrap(), Claim::NotStored));
    granted(&block_on(store.claim(&request("query=a"))).unwrap());
}

fn uncertain_cost_of_an_answer_is_settled_by_hand(open: fn() -> Subject) {
    let subject = open();
    let store = &subject.store;
    let call = granted(&block_on(store.claim(&request("query=a"))).unwrap());
    block_on(store.settle(call, answered(Credits::Uncertain))).unwrap();
    assert!(matches!(block_on(store.claim(&request("query=a"))).unwrap(), Claim::Stored(_)));
    assert_eq!(block_on(store.uncertain("main")).unwrap().len(), 1);
    assert!(block_on(store.resolve(call, 5)).unwrap());
    let book = block_on(store.book("main")).unwrap();
    assert_eq!((book.charged, book.uncertain_calls()), (5, 0));
    assert!(matches!(block_on(store.claim(&request("query=a"))).unwrap(), Claim::Stored(_)));
}

fn answer_of_the_future_is_new(open: fn() -> Subject) {
    let subject = open();
    let store = &subject.store;
    let call = granted(&block_on(store.claim(&request("query=a"))).unwrap());
    block_on(store.settle(call, answered(Credits::Charged(1)))).unwrap();
    subject.clock.set_back(HOUR);
    let mut again = request("query=a");
    again.max_age = Some(Duration::ZERO);
    let Claim::Stored(answer) = block_on(store.claim(&again)).unwrap() else { panic!("asked again") };
    assert_eq!(answer.age, Duration::ZERO);
}

with_each_store! {
    accounts_live_and_test_and_methods_do_not_mix,
    late_settlement_replaces_the_uncertainty,
    abandoned_claims_are_booked,
    cap_counts_calls_in_flight_at_their_price,
    expired_answer_is_never_returned,
    uncertain_cost_of_an_answer_is_settled_by_hand,
    answer_of_the_future_is_new,
}
