//! The routes of the API methods.

use std::pin::Pin;

use bytes::Bytes;
use tgscan_core::Client;
use tgscan_core::types::ApiMethod;
use tgscan_core::types::registry::{self, MethodInfo, MethodVisitor};

use super::answer::{Answer, bad_query};

type Calling = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// One API method.
pub(crate) struct Route {
    pub(super) info: MethodInfo,
    pub(super) call: fn(Client, Bytes) -> Calling,
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
        None => format!("invalid query: {error}"),
    }
}
