//! A store on the mock's clock, where answers expire without waiting.

use std::sync::Arc;
use std::time::Duration;

use tgscan_mock::Mock;
use tgscan_mock::core::store::StorePolicy;
use tgscan_store::{Clock, MemoryStore};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_stored_answer_expires_by_the_mocks_clock() {
    let mock = Mock::new();
    let store = MemoryStore::new().with_clock(Clock::new(mock.timer().wall_clock()));
    let client = mock.client().with_store(Arc::new(store), StorePolicy::new("main", DAY, 30 * DAY));
    let mut spent = Vec::new();
    for _ in 0..3 {
        for _ in 0..2 {
            client.search("some_username").await.unwrap();
        }
        spent.push(mock.account().charged_calls);
        mock.timer().advance(DAY / 2 + Duration::from_secs(1));
    }
    assert_eq!(spent, [1, 1, 2]);
}
