//! Mistakes of people, of other programs and of the service, and how they are undone.

use std::sync::Arc;

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::{CallState, Event, StorePolicy};
use tgscan_core::{Client, Reserve, transport_fn};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};

use crate::support::{HOUR, Subject, mock, policy, with_each_store};

fn wrong_settlement_by_hand_is_corrected_and_recorded(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client = subject.client(&mock);
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(client.search("alice_1")).unwrap_err();
    let account = subject.account();
    let call = block_on(account.unresolved()).unwrap()[0].id;
    for (credits, was) in [(9000, 0), (0, 9000), (2, 0)] {
        assert_eq!(block_on(account.resolve(call, credits)).unwrap(), Some(was), "{}", subject.name);
        assert_eq!(block_on(account.book()).unwrap().totals().charged, credits);
    }
    assert_eq!(block_on(account.resolve(call, 2)).unwrap(), Some(2));
    // An answered call can be corrected too.
    block_on(client.search("bob_1")).unwrap();
    let answered = block_on(account.calls(call, 10)).unwrap()[0].id;
    assert_eq!(block_on(account.resolve(answered, 3)).unwrap(), Some(2));
    assert_eq!(block_on(account.call(answered)).unwrap().unwrap().0.state(), CallState::Answered);
    assert_eq!(block_on(account.book()).unwrap().totals().charged, 5);
    let journal = block_on(account.journal(0, 10)).unwrap();
    let changes: Vec<_> = journal
        .iter()
        .map(|(_, entry)| match entry.event {
            Event::Resolved { call, was, is } if entry.at > 0 => (call, was, is),
            ref other => panic!("{other:?}"),
        })
        .collect();
    let expected = [(call, 0, 9000), (call, 9000, 0), (call, 0, 2), (answered, 2, 3)];
    assert_eq!(changes, expected, "the change that changed nothing is not recorded");
}

fn wrong_price_is_replaced_and_recorded(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let body = |credits: u64| {
        format!(
            r#"{{"status":"ok","result":{{"user":{{"id":1}},"meta":{{"known_num_groups":0,"num_groups":0,"op_cost":{credits}}}}}}}"#
        )
    };
    let transport =
        transport_fn(move |_: Request<Bytes>| async move { Ok(Response::new(Bytes::from(body(u64::MAX)))) });
    let client = |transport| -> Client {
        subject.client(&mock).with_transport(transport).with_cap(1000, Reserve::PerCall(2))
    };
    let wrong = client(std::sync::Arc::new(transport) as std::sync::Arc<dyn tgscan_core::Transport>);
    block_on(wrong.search("alice_1")).unwrap();
    let account = subject.account();
    assert_eq!(block_on(account.book()).unwrap().totals().charged, u64::MAX);
    let right = subject.client(&mock).with_cap(1000, Reserve::PerCall(2));
    assert!(block_on(right.search("bob_1")).unwrap_err().is_cap_reached());
    // The call's cost, and the price that was learned from it.
    let call = block_on(account.calls(0, 1)).unwrap()[0].id;
    assert_eq!(block_on(account.resolve(call, 2)).unwrap(), Some(u64::MAX), "{}", subject.name);
    assert!(block_on(right.search("bob_1")).unwrap_err().is_cap_reached(), "the price is still wrong");
    assert_eq!(block_on(account.set_price("search", Some(2))).unwrap(), Some(u64::MAX));
    assert!(block_on(right.search("bob_1")).is_ok(), "{}", subject.name);
    assert_eq!(block_on(account.book()).unwrap().totals().charged, 4);
    let journal = block_on(account.journal(0, 10)).unwrap();
    assert!(journal.iter().any(|(_, entry)| matches!(
        &entry.event,
        Event::Priced { method, was: Some(u64::MAX), is: Some(2) } if method == "search"
    )));
}

fn numbers_near_the_limits_are_errors_or_saturate(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client = subject.client(&mock);
    block_on(client.search("alice_1")).unwrap();
    let account = subject.account();
    for id in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1] {
        assert!(block_on(account.call(id)).unwrap().is_none());
        assert!(block_on(account.calls(id, usize::MAX)).unwrap().is_empty());
        assert!(block_on(account.journal(id, usize::MAX)).unwrap().is_empty());
        // An error of a database with smaller numbers, or there is no such call.
        match block_on(account.resolve(id, u64::MAX)) {
            Ok(was) => assert_eq!(was, None),
            Err(error) => assert!(error.to_string().contains("is too large"), "{error}"),
        }
    }
    for _ in 0..3 {
        block_on(account.record_purchase(u64::MAX)).unwrap();
    }
    block_on(account.resolve(1, u64::MAX)).unwrap();
    assert_eq!(block_on(account.book()).unwrap().totals().charged, u64::MAX);
    block_on(account.resolve(1, 2)).unwrap();
    assert_eq!(block_on(account.book()).unwrap().totals().charged, 2, "{}", subject.name);
    let forever = StorePolicy::new("main", std::time::Duration::MAX, std::time::Duration::MAX);
    let client = mock.client().with_store(subject.store.clone(), forever);
    block_on(client.search("bob_1")).unwrap();
    subject.clock.advance(1000 * HOUR);
    assert!(block_on(client.search("bob_1")).unwrap().attempts == 0);
    assert_eq!(block_on(account.expire(std::time::Duration::MAX)).unwrap(), 1, "the one with a limit");
    // A client that is not shared works on.
    let client = mock.client().with_store(Arc::clone(&subject.store), policy());
    assert!(block_on(client.search("carol_1")).is_ok());
}

with_each_store! {
    wrong_settlement_by_hand_is_corrected_and_recorded,
    wrong_price_is_replaced_and_recorded,
    numbers_near_the_limits_are_errors_or_saturate,
}
