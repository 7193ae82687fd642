//! A service with shared state: many callers, one account, and a cache.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tgscan_mock::core::{Client, Error};
use tgscan_mock::types::UserQuery;

/// Your code: cheap to clone, as web frameworks require of their state.
#[derive(Clone)]
pub struct Service {
    client: Client,
    known: Arc<Mutex<HashMap<UserQuery, u64>>>,
}

impl Service {
    /// Creates a service that uses this client.
    pub fn new(client: Client) -> Self {
        Self { client, known: Arc::default() }
    }

    /// Returns the number of groups that an account is known to be in, from the cache if possible.
    ///
    /// # Errors
    /// If the search fails.
    pub async fn num_groups(&self, who: UserQuery) -> Result<u64, Error> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&who).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let count = self.client.search(who.clone()).await?.answer.meta.known_num_groups;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(who, count);
        Ok(count)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = tgscan_mock::Mock::new();
    let service = Service::new(mock.client());
    for _ in 0..3 {
        futures_executor::block_on(service.num_groups("some_username".parse()?))?;
    }
    println!("three questions, {} credit", mock.account().spent);
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use tgscan_mock::Mock;

    use super::*;

    #[test]
    fn callers_on_many_threads_share_the_account_and_the_cache() {
        let mock = Mock::builder().seed(7).credits(100).build().unwrap();
        let service = Service::new(mock.client());
        let ask = |name: &str| block_on(service.clone().num_groups(name.parse().unwrap())).unwrap();
        let first: Vec<u64> = ["alice", "bobby", "carol"].map(ask).to_vec();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(["alice", "bobby", "carol"].map(ask).to_vec(), first));
            }
        });
        assert_eq!(mock.account().spent, 3, "each account was charged once");
    }

    #[test]
    fn a_call_over_budget_is_not_sent() {
        use tgscan_mock::core::{Api, Reserve};

        let mock = Mock::new();
        let api = Api::new(mock.live_key()).with_cap(1, Reserve::PerCall(1));
        let service = Service::new(Client::new(api, mock.clone(), mock.timer().clone()));
        block_on(service.num_groups("alice".parse().unwrap())).unwrap();
        block_on(service.num_groups("bobby".parse().unwrap())).unwrap_err();
        assert_eq!(mock.requests().len(), 1);
    }
}
