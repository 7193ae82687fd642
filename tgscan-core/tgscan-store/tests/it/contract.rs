//! The separation of accounts in a store, and its clock.

use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::Credits;
use tgscan_core::store::{Account, AccountName, Lookup, StorePolicy, StoreRefusal};

use crate::support::{HOUR, Subject, mock, searches, with_each_store};

fn accounts_services_and_methods_do_not_mix(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    // A zero byte is no separator.
    let names = [
        ("a", "b\0c"),
        ("a\0b", "c"),
        ("main", "mock"),
        ("main", "other"),
        ("main ", "mock"),
        ("other", "mock"),
    ];
    for (label, service) in names {
        let api = tgscan_core::Api::new(mock.live_key()).with_service(service);
        let client = tgscan_core::Client::new(api, mock.clone(), tgscan_mock::VirtualTimer::new());
        let client = client.with_store(subject.store.clone(), StorePolicy::new(label, HOUR, 10 * HOUR));
        assert_eq!(block_on(client.search("alice_1")).unwrap().credits, Credits::Charged(2), "{label}");
        assert_eq!(block_on(client.similar_groups("alice_1")).unwrap().credits, Credits::Charged(1));
        assert_eq!(block_on(client.book()).unwrap().totals().charged, 3);
    }
    let mut found = block_on(subject.store.accounts()).unwrap();
    found.sort_by_key(|name| (name.label.clone(), name.service.clone()));
    assert_eq!(found, names.map(|(label, service)| AccountName::new(label, service)));
    let unknown = Account::new(subject.store.clone(), AccountName::new("unknown", "mock"));
    assert_eq!(block_on(unknown.book()).unwrap().totals().charged, 0);
    assert_eq!(block_on(subject.store.accounts()).unwrap().len(), names.len(), "reading creates nothing");
}

fn expired_answer_is_never_returned(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client =
        mock.client().with_store(subject.store.clone(), StorePolicy::new("main", Duration::MAX, 10 * HOUR));
    block_on(client.search("alice_1")).unwrap();
    subject.clock.advance(10 * HOUR);
    let refused = block_on(client.clone().with_lookup(Lookup::Stored).search("alice_1")).unwrap_err();
    assert!(matches!(refused.store_refusal(), Some(StoreRefusal::NotStored)), "{refused}");
    assert_eq!(block_on(client.search("alice_1")).unwrap().credits, Credits::Charged(2));
}

fn answer_of_the_future_is_not_young(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client = subject.client(&mock);
    block_on(client.search("alice_1")).unwrap();
    subject.clock.set_back(HOUR);
    block_on(client.search("alice_1")).unwrap();
    assert_eq!(searches(&mock), 2);
}

with_each_store! {
    accounts_services_and_methods_do_not_mix,
    expired_answer_is_never_returned,
    answer_of_the_future_is_not_young,
}
