//! Which answers come from a store, and which are kept in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::{Call, Lookup, StoreError, StoreRefusal};
use tgscan_core::{Api, ApiKey, Client, Credits, ErrorKind, Storage, transport_fn};
use tgscan_mock::types::{Search, SimilarGroups};
use tgscan_mock::{Fault, FaultKind, VirtualTimer};

use crate::over::{Change, Over};
use crate::support::{HOUR, Subject, mock, policy, refusal, searches, with_each_store};

fn has_answer(subject: &Subject, call: &Call) -> bool {
    block_on(subject.account().call(call.id)).unwrap().unwrap().1.is_some()
}

fn stored_answer_costs_nothing_and_tells_its_age(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let first = block_on(client.search("Some_Name")).unwrap();
    assert_eq!(first.credits, Credits::Charged(2));
    assert!(matches!(first.storage(), Some(Storage::Stored)));
    subject.clock.advance(HOUR / 2);
    let again = block_on(client.search("@some_name")).unwrap();
    assert_eq!((again.credits, again.attempts), (Credits::NotCharged, 0));
    assert_eq!((again.raw(), &again.answer), (first.raw(), &first.answer), "byte for byte");
    match again.storage() {
        Some(Storage::Cached { age, credits }) => {
            // A server's clock advances by itself.
            assert_eq!((age.as_secs() / 60, *credits), (30, Credits::Charged(2)));
        }
        other => panic!("{}: {other:?}", subject.name),
    }
    assert_eq!((searches(&mock), mock.account().spent), (1, 2));
    assert_eq!(block_on(client.book()).unwrap().totals().charged, 2);
}

fn stored_answer_is_found_after_many_new_questions(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client = subject.client(&mock);
    for round in 0..2 {
        for number in 0..20 {
            block_on(client.search(format!("name_{round}_{number}").as_str())).unwrap();
        }
        for _ in 0..2 {
            let again = block_on(client.search("name_0_1")).unwrap();
            assert_eq!((again.credits, again.attempts), (Credits::NotCharged, 0), "{}", subject.name);
        }
    }
    assert_eq!(searches(&mock), 40);
}

/// Writes nothing while this is set.
struct ReadOnly(AtomicBool);

impl Change for ReadOnly {
    fn before(&self) -> Result<(), StoreError> {
        if self.0.load(Ordering::Relaxed) { Err(StoreError::new("read-only")) } else { Ok(()) }
    }
}

fn stored_answer_is_found_after_new_questions_if_the_store_cannot_write(open: fn() -> Subject) {
    let (mut subject, mock) = (open(), mock());
    let over = Over::new(subject.store.clone(), ReadOnly(AtomicBool::new(false)));
    let change = over.change.clone();
    subject.store = Arc::new(over);
    let client = subject.client(&mock);
    let is_read_only = |is| change.0.store(is, Ordering::Relaxed);
    for lookup in [Lookup::default(), Lookup::New] {
        is_read_only(false);
        for name in [
            "alice_1", "name_1", "name_2", "name_3", "name_4", "name_5", "name_6", "name_7", "name_8",
            "name_9",
        ] {
            let client = client.clone().with_lookup(Lookup::New);
            assert_eq!(block_on(client.search(name)).unwrap().credits, Credits::Charged(2));
        }
        is_read_only(true);
        let reply = block_on(client.clone().with_lookup(lookup).search("alice_1"));
        if lookup == Lookup::New {
            let error = reply.unwrap_err().to_string();
            assert!(error.contains("read-only"), "{error}");
        } else {
            assert_eq!(reply.unwrap().credits, Credits::NotCharged, "{}", subject.name);
        }
    }
    let error = block_on(client.search("bob_1")).unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(searches(&mock), 20);
}

fn answers_expire_by_age_and_lookups_choose(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let only = |lookup| client.clone().with_lookup(lookup);
    let missing = block_on(only(Lookup::Stored).search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&missing), StoreRefusal::NotStored), "{missing}");
    assert_eq!((missing.attempts(), missing.credits(), searches(&mock)), (0, Credits::NotCharged, 0));
    block_on(client.search("alice_1")).unwrap();
    assert!(block_on(only(Lookup::Stored).search("alice_1")).is_ok());
    assert_eq!(searches(&mock), 1);
    block_on(only(Lookup::New).search("alice_1")).unwrap();
    assert_eq!(searches(&mock), 2);
    subject.clock.advance(2 * HOUR);
    block_on(client.search("alice_1")).unwrap();
    assert_eq!(searches(&mock), 3, "too old");
    subject.clock.advance(11 * HOUR);
    assert_eq!(block_on(subject.account().expire(10 * HOUR)).unwrap(), 3);
    let calls = block_on(subject.account().calls(0, 100)).unwrap();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.question.is_none() && !has_answer(&subject, call)));
    let bill = block_on(subject.account().bill()).unwrap();
    let sum = bill.iter().fold((0, 0), |sum, row| (sum.0 + row.calls, sum.1 + row.charged));
    assert_eq!(sum, (3, 6));
}

fn equal_groups_in_another_order_are_one_question(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    block_on(client.similar_groups(["group_a", "Group_B"])).unwrap();
    let again = block_on(client.similar_groups("GROUP_b,group_a")).unwrap();
    assert_eq!(again.credits, Credits::NotCharged);
    let other = block_on(client.similar_groups("group_a")).unwrap();
    assert_eq!(other.credits, Credits::Charged(1));
}

fn older_answer_stands_again_when_a_new_one_cannot_be_had(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let first = block_on(client.search("alice_1")).unwrap();
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope { status: 401 })]);
    block_on(client.clone().with_lookup(Lookup::New).search("alice_1")).unwrap_err();
    assert_eq!(block_on(client.search("alice_1")).unwrap().raw(), first.raw());
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(client.clone().with_lookup(Lookup::New).search("alice_1")).unwrap_err();
    assert_eq!(block_on(client.search("alice_1")).unwrap().raw(), first.raw(), "also while uncertain");
    assert_eq!(searches(&mock), 3);
}

fn undecodable_answer_is_kept_and_not_asked_for_again(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    mock.script::<Search>([Fault::new(FaultKind::FieldMissing { field: "/result/meta".into() })]);
    let first = block_on(client.search("alice_1")).unwrap_err();
    assert!(first.is_decode(), "{first}");
    let again = block_on(client.search("alice_1")).unwrap_err();
    assert!(again.is_decode() && again.attempts() == 0 && again.credits() == Credits::NotCharged);
    assert_eq!(again.response().unwrap().body(), first.response().unwrap().body());
    assert_eq!(searches(&mock), 1);
}

fn answer_to_another_question_is_not_stored(open: fn() -> Subject) {
    let subject = open();
    let body = r#"{"status":"ok","result":{"user":{"id":1},"meta":{"search_query":"bob_1","known_num_groups":0,"num_groups":0,"op_cost":2}}}"#;
    let transport = transport_fn(move |_| async move { Ok(Response::new(Bytes::from(body))) });
    let client = Client::new(
        Api::new(ApiKey::live("k3y").unwrap()).with_service("mock"),
        transport,
        VirtualTimer::new(),
    )
    .with_store(subject.store.clone(), policy());
    let reply = block_on(client.search("alice_1")).unwrap();
    assert!(reply.is_mismatched() && reply.storage().is_none());
    let again = block_on(client.search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&again), StoreRefusal::Uncertain { charged: Some(2), .. }), "{again}");
    assert_eq!(block_on(subject.account().book()).unwrap().totals().charged, 2);
}

fn test_keys_and_free_methods_do_not_go_through_the_store(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = mock.test_client().with_store(subject.store.clone(), policy());
    let reply = block_on(client.search("alice_1")).unwrap();
    assert!(reply.storage().is_none());
    let reply = block_on(subject.client(&mock).user_check("alice_1")).unwrap();
    assert!(reply.storage().is_none());
    assert!(block_on(subject.account().calls(0, 10)).unwrap().is_empty());
}

fn erased_person_is_gone_under_every_name_and_the_bill_stays(open: fn() -> Subject) {
    let subject = open();
    let body = |query: &str| {
        let history =
            r#""username_history":[{"username":"Old_Name","date":""}],"id_history":[{"id":"77","date":""}]"#;
        let user = match query {
            "alice_1" | "77" => format!(r#"{{"id":77,"username":"alice_1"}},{history}"#),
            _ => r#"{"id":5,"username":"bob_1"}"#.to_owned(),
        };
        format!(
            r#"{{"status":"ok","result":{{"user":{user},"meta":{{"search_query":"{query}","known_num_groups":0,"num_groups":0,"op_cost":2}}}}}}"#
        )
    };
    let transport = transport_fn(move |request: Request<Bytes>| {
        let form = String::from_utf8(request.body().to_vec()).unwrap();
        let body = body(form.strip_prefix("query=").unwrap());
        async move { Ok(Response::new(Bytes::from(body))) }
    });
    let client = Client::new(
        Api::new(ApiKey::live("k3y").unwrap()).with_service("mock"),
        transport,
        VirtualTimer::new(),
    )
    .with_store(subject.store.clone(), policy());
    for query in ["alice_1", "77", "bob_1", "old_name"] {
        block_on(client.search(query)).unwrap();
    }
    let erased = block_on(subject.account().erase(&"OLD_name".parse().unwrap())).unwrap();
    // The answer for `old_name` describes Bob, who was asked for by that name.
    assert_eq!((erased.questions, erased.answers), (4, 4), "{}", subject.name);
    let bill = block_on(subject.account().bill()).unwrap();
    assert_eq!((bill[0].calls, bill[0].charged), (4, 8));
    let book = block_on(subject.account().book()).unwrap().totals();
    assert_eq!(book.charged, 8);
}

fn nothing_prints_query_or_answer(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let reply = block_on(client.search("private_name")).unwrap();
    let calls = block_on(subject.account().calls(0, 10)).unwrap();
    let answer = block_on(subject.account().call(calls[0].id)).unwrap();
    mock.script::<SimilarGroups>([Fault::new(FaultKind::Reset)]);
    block_on(client.similar_groups("private_name")).unwrap_err();
    let error = block_on(client.similar_groups("private_name")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Store(_)));
    let printed = format!("{reply:?} {calls:?} {answer:?} {error} {error:?} {client:?}");
    assert!(!printed.contains("private_name"), "{printed}");
}

with_each_store! {
    stored_answer_costs_nothing_and_tells_its_age,
    stored_answer_is_found_after_many_new_questions,
    stored_answer_is_found_after_new_questions_if_the_store_cannot_write,
    answers_expire_by_age_and_lookups_choose,
    equal_groups_in_another_order_are_one_question,
    older_answer_stands_again_when_a_new_one_cannot_be_had,
    undecodable_answer_is_kept_and_not_asked_for_again,
    answer_to_another_question_is_not_stored,
    test_keys_and_free_methods_do_not_go_through_the_store,
    erased_person_is_gone_under_every_name_and_the_bill_stays,
    nothing_prints_query_or_answer,
}
