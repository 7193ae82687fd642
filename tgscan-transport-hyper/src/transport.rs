//! The transport: one request, one attempt, one response with its whole body.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use hyper_util::client::legacy::Client as HyperClient;
use tgscan_core::{
    Api, Client, Transport, TransportError, TransportErrorKind, async_trait, is_loopback_host,
};
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use crate::connect::{Connector, Route};
use crate::failure::Target;
use crate::incoming::Coding;
use crate::limits::{CallLimits, Limits, Running};
use crate::outgoing::Outgoing;
#[cfg(feature = "tracing")]
use crate::traced::{AttemptSpan, marked};
#[cfg(not(feature = "tracing"))]
use crate::untraced::{AttemptSpan, marked};
use crate::{HyperTransportBuilder, TokioTimer, failure, incoming};

/// Carries requests over pooled HTTP/1.1 and HTTP/2 connections. Cheap to clone; clones share the connections.
///
/// See the [crate's front page](crate) for what it does, what it never does, and its defaults.
///
/// Dropping the future of a call gives its connection up: an HTTP/1.1 connection is closed, an HTTP/2 stream is reset.
#[derive(Clone)]
pub struct HyperTransport {
    inner: Arc<Inner>,
}

struct Inner {
    hyper: HyperClient<Connector, Outgoing>,
    user_agent: HeaderValue,
    route: Route,
    coding: Coding,
    limits: Limits,
}

impl HyperTransport {
    /// Settings to change before [`build`](HyperTransportBuilder::build).
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    pub(crate) fn new(
        hyper: HyperClient<Connector, Outgoing>,
        user_agent: HeaderValue,
        route: Route,
        coding: Coding,
        limits: Limits,
    ) -> Self {
        Self { inner: Arc::new(Inner { hyper, user_agent, route, coding, limits }) }
    }

    /// A client that calls this API over this transport, and can wait and so retry.
    ///
    /// Where the retry policy's seed is 0, its default, a random one takes its place, so that processes that failed
    /// together do not retry together. Set one to repeat a schedule.
    pub fn client(self, api: Api) -> Client {
        let mut retry = *api.retry();
        if retry.seed == 0 {
            // The standard library draws new random keys for this; nothing secret depends on them.
            retry.seed = RandomState::new().build_hasher().finish();
        }
        Client::new(marked(api.with_retry(retry)), self).with_timer(TokioTimer::new())
    }

    /// Refuses what must not or cannot be sent.
    fn check(&self, uri: &Uri) -> Result<(), &'static str> {
        if Handle::try_current().is_err() {
            return Err(
                "there is no tokio runtime here; call from inside one, such as under `#[tokio::main]`",
            );
        }
        let Some(host) = uri.host() else {
            return Err("the request's URI has no host; give an absolute one");
        };
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Ok(()),
            Some(scheme) if *scheme == Scheme::HTTP => {
                if self.inner.limits.allow_plain_http || is_loopback_host(host) {
                    Ok(())
                } else {
                    Err(
                        "plain `http` to another host would show the API key to everyone on the way; use `https`, \
                         or allow it explicitly with `allow_plain_http`",
                    )
                }
            }
            _ => Err("the request's scheme is not supported; use `https`"),
        }
    }
}

#[async_trait]
impl Transport for HyperTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        AttemptSpan::of(&request).around(self.attempt(request)).await
    }
}

impl HyperTransport {
    async fn attempt(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let Inner { hyper, user_agent, route, coding, limits } = &*self.inner;
        let limits = limits.of_call(request.extensions().get::<CallLimits>());
        self.check(request.uri())
            .and_then(|()| {
                // The transport's own limits were checked when it was built.
                let is_zero = limits.zero_timeout().is_some() || limits.body_cap == 0;
                if is_zero {
                    Err("a limit in the `CallLimits` of this call is zero; give more")
                } else {
                    Ok(())
                }
            })
            .map_err(|why| TransportError::never_sent(why).with_kind(TransportErrorKind::Refused))?;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| user_agent.clone());
        let coding = coding.ask(request.headers_mut());

        let running = Running::begin(limits);
        let uri = request.uri().clone();
        let (request, handover) = Outgoing::wrap(request);
        let target = Target { uri: &uri, route };
        let head = running.head();
        match timeout_at(head.at, hyper.request(request)).await {
            Ok(Ok(response)) => incoming::read(response, coding, &running).await,
            Ok(Err(error)) => Err(failure::before_head(error, &handover, &target)),
            Err(_) => Err(failure::timed_out_before_head(head, &handover, &target)),
        }
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

// Without a crypto provider nothing can be built.
#[cfg(test)]
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod tests {
    use tgscan_core::{ApiKey, RetryPolicy};

    use super::*;

    #[test]
    fn clients_get_a_random_seed_unless_they_have_one() {
        let client = |seed| {
            let mut retry = RetryPolicy::default();
            retry.seed = seed;
            let api = Api::new(ApiKey::test("k").unwrap()).with_retry(retry);
            HyperTransport::builder().build().unwrap().client(api).api().retry().seed
        };
        assert_eq!(client(7), 7);
        let drawn = (client(0), client(0));
        assert!(drawn.0 != 0 && drawn.0 != drawn.1);
    }
}
