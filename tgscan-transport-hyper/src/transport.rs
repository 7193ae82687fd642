//! The transport: one request, one attempt, one response with its whole body.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::ready;
use std::hash::{BuildHasher, Hasher};
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use tgscan_core::types::Balance;
use tgscan_core::{Api, Client, Transport, TransportError, transport::TransportErrorKind};
use tokio::time::sleep_until;

use crate::connect::Route;
use crate::failure::Target;
use crate::incoming::{Coding, Reading};
use crate::limits::{AttemptLimits, Limits, Running, Stage, before};
use crate::outgoing::Outgoing;
use crate::pool::{Pool, Pools};
#[cfg(feature = "tracing")]
use crate::traced::{AttemptSpan, in_current_span, marked};
#[cfg(not(feature = "tracing"))]
use crate::untraced::{AttemptSpan, in_current_span, marked};
use crate::{HyperTransportBuilder, TokioTimer, failure};

type Answer = Result<Response<Bytes>, TransportError>;

/// A [`Transport`] over pooled HTTP/1.1 and HTTP/2 connections. Cheap to clone; clones share the connections.
///
/// See the [crate's front page](crate) for what it does, what it never does, and its defaults.
///
/// Dropping the future of a call closes its HTTP/1.1 connection, or resets its HTTP/2 stream.
#[derive(Clone)]
pub struct HyperTransport {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    user_agent: HeaderValue,
    route: Route,
    coding: Coding,
    limits: Limits,
}

impl HyperTransport {
    /// Returns a builder with the default settings.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    pub(crate) fn new(
        pools: Pools,
        user_agent: HeaderValue,
        route: Route,
        coding: Coding,
        limits: Limits,
    ) -> Self {
        Self { inner: Arc::new(Inner { pools, user_agent, route, coding, limits }) }
    }

    /// Creates a client of this API over this transport, with a backoff timer. Its paid calls with a store run in tasks of
    /// their own.
    ///
    /// Where the retry policy's seed is 0, its default, a random one takes its place, so that processes that failed
    /// together do not retry together. Set one to repeat a schedule.
    pub fn client(self, api: Api) -> Client {
        let mut retry = *api.retry();
        if retry.seed == 0 {
            // The standard library draws new random keys for this; nothing secret depends on them.
            retry.seed = RandomState::new().build_hasher().finish();
        }
        Client::new(marked(api.with_retry(retry)), self, TokioTimer::new()).with_spawn(spawn)
    }

    /// Opens a connection to the base URL of an API, if none is open, so that the first call need not wait for DNS, TCP and
    /// TLS. Sends nothing over it.
    ///
    /// For a program that knows that it will call and has something else to do first, such as to read its input:
    ///
    /// ```
    /// use tgscan_transport_hyper::{Api, ApiKey, HyperTransport};
    ///
    /// # async fn warm() -> Result<(), Box<dyn std::error::Error>> {
    /// let transport = HyperTransport::builder().build()?;
    /// let api = Api::new(ApiKey::live("0123456789abcdef")?);
    /// let warming = tokio::spawn({
    ///     let (transport, api) = (transport.clone(), api.clone());
    ///     // If it fails the call will say so.
    ///     async move { transport.warm_up(&api).await }
    /// });
    /// let client = transport.client(api);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no connection within `connect_timeout`.
    pub async fn warm_up(&self, api: &Api) -> Result<(), TransportError> {
        let request = api.request(&Balance {});
        let pool = self.pool(Some(request.uri())).map_err(refused)?;
        let target = Target { uri: request.uri(), route: &self.inner.route };
        pool.warm_up().await.map_err(|error| failure::while_connecting(error, &target))
    }

    /// Refuses what cannot be sent.
    fn check(uri: &Uri) -> Result<(), &'static str> {
        match uri.scheme() {
            // Whether plain HTTP is allowed to this host is looked at where it is connected to.
            Some(scheme) if *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP => Ok(()),
            Some(_) => Err("the request's scheme is not supported; use `https`"),
            None => Err("the request's URI has no scheme and host; give an absolute one"),
        }
    }
}

impl Transport for HyperTransport {
    // What `async_trait` makes of an `async fn`, except that what the future in the box never needs again, the request
    // above all, has no place in it: all of that would be moved with it.
    fn send<'life0, 'async_trait>(
        &'life0 self,
        mut request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'async_trait>>
    where
        Self: 'async_trait,
        'life0: 'async_trait,
    {
        let span = AttemptSpan::of(&request);
        match self.prepare(&mut request) {
            Ok(prepared) => Box::pin(span.around(self.attempt(request, prepared))),
            Err(why) => Box::pin(span.around(ready(Err(refused(why))))),
        }
    }

    fn discard_connections(&self) {
        self.inner.pools.discard();
    }
}

/// Runs a call in a new task, within the span of its caller. Outside a runtime the call is given up, which books it
/// as not sent.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(in_current_span(task));
    }
}

/// What holds for one request.
struct Prepared {
    coding: Coding,
    /// Those of this call, if it has some.
    limits: Option<Box<Limits>>,
}

fn refused(why: &'static str) -> TransportError {
    TransportError::never_sent(why).with_kind(TransportErrorKind::Refused).with_trusted_text()
}

impl HyperTransport {
    /// The connections for a request from here.
    fn pool(&self, uri: Option<&Uri>) -> Result<Arc<Pool>, &'static str> {
        match uri.map(|uri| self.inner.pools.here(uri)) {
            Some(Ok(Some(pool))) => Ok(pool),
            Some(Err(lack)) => Err(lack.remedy()),
            _ => Err("the request's URI has no host that can be connected to; give an absolute one"),
        }
    }

    /// Checks the request and adds the transport's headers. Sends nothing.
    fn prepare(&self, request: &mut Request<Bytes>) -> Result<Prepared, &'static str> {
        let Inner { user_agent, coding, limits, .. } = &*self.inner;
        let of_call = request.extensions().get::<AttemptLimits>();
        let limits = of_call.map(|of_call| Box::new(limits.of_call(of_call)));
        Self::check(request.uri())?;
        // The transport's own limits were checked when it was built.
        if limits.as_ref().is_some_and(|limits| limits.zero_timeout().is_some() || limits.max_body_size == 0)
        {
            return Err("a limit in the `AttemptLimits` of this call is zero; give more");
        }
        let headers = request.headers_mut();
        // Not by an `entry`, which is slower than to look for the name and then put it in.
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, user_agent.clone());
        }
        Ok(Prepared { coding: coding.ask(headers), limits })
    }

    // No `async fn`, which would keep its arguments a second time. The future is kept below 1 KiB, up to which common
    // allocators are quick.
    fn attempt(&self, request: Request<Bytes>, prepared: Prepared) -> impl Future<Output = Answer> + Send {
        let Prepared { coding, limits } = prepared;
        let (request, handover) = Outgoing::wrap(request);
        let mut request = Some(request);
        async move {
            // Not before the first poll, which need not be in the runtime in which the future was made.
            let pool = self.pool(request.as_ref().map(Request::uri)).map_err(refused)?;
            let running = Running::begin(limits.as_deref().unwrap_or(&self.inner.limits));
            let deadline = running.deadline(Stage::Head);
            let mut timer = pin!(sleep_until(deadline));
            let (mut reading, lease) = {
                let responding = pin!(pool.request(&mut request, &handover));
                let target = || Target { uri: pool.uri(), route: &self.inner.route };
                match before(|| deadline, timer.as_mut(), responding).await {
                    Some(Ok((response, lease))) => {
                        (Reading::begin(response, coding, running.max_body_size()), lease)
                    }
                    Some(Err(error)) => return Err(failure::before_head(error, &handover, &target())),
                    None => {
                        let passed = running.passed(timer.deadline(), Stage::Head);
                        return Err(failure::timed_out_before_head(&passed, &handover, &target()));
                    }
                }
            };
            let ended = reading.finish(running, timer).await;
            if ended.is_ok() || reading.is_at_end() {
                lease.give_back();
            }
            reading.into_answer(ended)
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
