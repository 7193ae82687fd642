//! The routes of the API methods.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tgscan_core::Client;
use tgscan_core::types::ApiMethod;
use tgscan_core::types::registry::{self, MethodInfo, MethodVisitor};

use super::answer::{Answer, bad_query};
use super::config::Kind;
use super::local_key::LocalKey;

type Calling = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// One API method.
pub(crate) struct Route {
    pub(super) info: MethodInfo,
    pub(super) call: fn(Client, Bytes) -> Calling,
}

impl Route {
    /// Makes a call of a local key, and waits for its answer until the deadline. If the deadline passes, a claimed call
    /// that can cost credits continues in its task; others end.
    pub(super) async fn answer_within(&self, deadline: Duration, key: &LocalKey, form: Bytes) -> Answer {
        let (client, is_unsent) = key.watch.one_call(&key.client);
        let answer = tokio::time::timeout(deadline, (self.call)(client, form)).await;
        answer.unwrap_or_else(|_| match (key.kind, self.info.can_cost) {
            (Kind::Live, true) if is_unsent.load(Ordering::Relaxed) => Answer::not_sent(),
            (Kind::Live, true) => Answer::still_running(),
            _ => Answer::too_late(),
        })
    }
}

/// Returns a route for each documented API method.
pub(crate) fn routes() -> Vec<Route> {
    struct Routes(Vec<Route>);
    impl MethodVisitor for Routes {
        fn visit<M: ApiMethod>(&mut self) {
            self.0.push(Route {
                info: MethodInfo::of::<M>(),
                call: |client, form| Box::pin(call::<M>(client, form)),
            });
        }
    }
    let mut routes = Routes(Vec::new());
    registry::visit_all(&mut routes);
    routes.0
}

/// Reads the form and makes the call.
async fn call<M: ApiMethod>(client: Client, form: Bytes) -> Answer {
    match serde_html_form::from_bytes::<M>(&form) {
        Ok(method) => Answer::of(client.send(method).await),
        Err(error) => bad_query(&explain(&error.to_string())),
    }
}

/// Returns the error of a form in the documentation's words.
fn explain(error: &str) -> String {
    match error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        Some(name) => format!("the required argument `{name}` is missing"),
        // A repeated argument is read as a list.
        None if error == "unsupported value" => {
            "invalid query: an argument is given more than once".to_owned()
        }
        None => format!("invalid query: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use tgscan_core::store::{
        AccountName, Decide, Found, Needs, Selection, Store, StoreError, StorePolicy, Task,
    };
    use tgscan_core::types::Search;
    use tgscan_core::{Api, ApiKey, Reserve, async_trait, transport_fn};
    use tgscan_store::MemoryStore;
    use tgscan_transport_hyper::TokioTimer;

    use super::*;
    use crate::serve::key_hash::KeyHash;
    use crate::serve::log::Log;
    use crate::serve::metrics::Watch;

    /// A store that never answers.
    struct Silent;

    #[async_trait]
    impl Store for Silent {
        async fn transact(&self, _: &AccountName, _: Needs, _: Decide) -> Result<(), StoreError> {
            pending().await
        }

        async fn read(&self, _: &AccountName, _: Selection) -> Result<Found, StoreError> {
            pending().await
        }

        async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
            pending().await
        }

        async fn compact(&self) -> Result<(), StoreError> {
            pending().await
        }

        fn spawn(&self, _: Task) {}

        async fn pause(&self, _: Duration) {
            pending::<()>().await;
        }
    }

    #[tokio::test]
    async fn deadline_tells_a_call_that_was_sent_from_one_that_was_not() {
        let route = routes().into_iter().find(|route| route.info.name == Search::NAME).unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        // The cap has room for one call.
        let at_cap = [("query=alice_1", "still_running"), ("query=bob_1", "not_sent")];
        let stores: [(Arc<dyn Store>, _); 2] = [
            (Arc::new(MemoryStore::new()), &at_cap[..]),
            (Arc::new(Silent), &[("query=alice_1", "not_sent")]),
        ];
        for (store, calls) in stores {
            let api = Api::new(ApiKey::live("k3y").unwrap());
            let client = Client::new(api, transport_fn(|_| pending()), TokioTimer::new())
                .with_spawn(|task| drop(tokio::spawn(task)))
                .with_store(store, StorePolicy::new("default", day, day))
                .with_wait_at_cap()
                .with_cap(1, Reserve::PerCall(1));
            let key = LocalKey {
                name: "a".to_owned(),
                hash: KeyHash::of(b"key"),
                kind: Kind::Live,
                methods: None,
                client,
                watch: Watch::new("a", &Arc::new(Log::start())),
            };
            for (form, code) in calls {
                let form = Bytes::from_static(form.as_bytes());
                let answer = route.answer_within(Duration::from_millis(500), &key, form).await;
                assert_eq!(answer.code, *code);
            }
        }
    }
}
