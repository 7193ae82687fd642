//! The transport: sends one request and returns one response with its whole body.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::ready;
use std::hash::{BuildHasher, Hasher};
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use tgscan_core::types::Balance;
use tgscan_core::{Api, Client, Transport, TransportError};
use tokio::time::sleep_until;

use crate::failure::{Target, refused};
use crate::incoming::Reading;
use crate::limits::{AttemptLimits, Running, before};
use crate::outgoing::Outgoing;
use crate::pool::Pools;
use crate::proxy::Route;
#[cfg(feature = "tracing")]
use crate::traced::{AttemptSpan, in_current_span, with_attempt_extension};
#[cfg(not(feature = "tracing"))]
use crate::untraced::{AttemptSpan, in_current_span, with_attempt_extension};
use crate::{HyperTransportBuilder, TokioTimer, failure};

type Answer = Result<Response<Bytes>, TransportError>;

/// A [`Transport`] over pooled HTTP/1.1 and HTTP/2 connections. Cheap to clone; clones share the connections.
///
/// The [crate documentation](crate) lists its guarantees.
///
/// Dropping the future of a call closes its HTTP/1.1 connection or resets its HTTP/2 stream.
#[derive(Clone)]
pub struct HyperTransport {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) pools: Pools,
    pub(crate) user_agent: HeaderValue,
    pub(crate) route: Route,
    pub(crate) gzip: bool,
    pub(crate) limits: AttemptLimits,
}

impl HyperTransport {
    /// Returns a builder with the default settings.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Creates a client for `api` over this transport, with a [`TokioTimer`]. With a store or a deadline, each paid call
    /// runs in a spawned task.
    ///
    /// If the seed of the retry policy is 0, its default, a random seed replaces it, so that processes that failed together
    /// do not retry together. Set a seed to repeat a schedule.
    pub fn client(self, api: Api) -> Client {
        let mut retry = *api.retry();
        if retry.seed == 0 {
            // The standard library creates new random keys for this. No secret depends on them.
            retry.seed = RandomState::new().build_hasher().finish();
        }
        Client::new(with_attempt_extension(api.with_retry(retry)), self, TokioTimer::new()).with_spawn(spawn)
    }

    /// Opens a connection to the base URL of `api`, unless one is idle, so that the first call does not wait for DNS, TCP
    /// and TLS. Sends no request, and does not extend the life of an idle connection.
    ///
    /// Use it in a program that has other work before its first call, such as reading its input:
    ///
    /// ```
    /// use tgscan_transport_hyper::{Api, ApiKey, HyperTransport};
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let transport = HyperTransport::builder().build()?;
    /// let api = Api::new(ApiKey::live("0123456789abcdef")?);
    /// let opening = tokio::spawn({
    ///     let (transport, api) = (transport.clone(), api.clone());
    ///     // If this fails, the first call reports it.
    ///     async move { transport.warm_up(&api).await }
    /// });
    /// let client = transport.client(api);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If no connection opens within the builder's `connect_timeout`, and outside a tokio runtime. A base URL with plain
    /// `http` to another machine is refused as for a call, unless the builder allows it with `allow_plain_http`.
    pub async fn warm_up(&self, api: &Api) -> Result<(), TransportError> {
        let request = api.request(&Balance {});
        Self::check(request.uri()).map_err(refused)?;
        let pool = self.inner.pools.here(Some(request.uri())).map_err(refused)?;
        let target = Target { uri: pool.uri(), route: &self.inner.route };
        pool.warm_up().await.map_err(|error| failure::while_connecting(error, &target))
    }

    /// Rejects unsupported URIs.
    fn check(uri: &Uri) -> Result<(), &'static str> {
        match uri.scheme() {
            // The connector checks whether plain `http` is allowed.
            Some(scheme) if *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP => Ok(()),
            Some(_) => Err("the scheme of the request's URI is not supported; use `https`"),
            None => Err("the request's URI has no scheme and host; use an absolute URI"),
        }
    }
}

impl Transport for HyperTransport {
    // The expansion of an `async fn` by `async_trait`, except that the future does not store its arguments, above all the
    // request, after their last use: they would be moved with it.
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

/// Spawns a call as a task, within the span of its caller. Outside a runtime the call is dropped, which books it as not sent.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(in_current_span(task));
    }
}

/// The settings of one request.
struct Prepared {
    accepts_gzip: bool,
    /// The limits of the call, if it overrides the transport's.
    limits: Option<Box<AttemptLimits>>,
}

impl HyperTransport {
    /// Checks the request and adds the transport's headers. Sends nothing.
    fn prepare(&self, request: &mut Request<Bytes>) -> Result<Prepared, &'static str> {
        let Inner { user_agent, gzip, limits, .. } = &*self.inner;
        let call = request.extensions().get::<AttemptLimits>();
        let limits = call.map(|call| Box::new(call.or(limits)));
        Self::check(request.uri())?;
        // The builder validated the transport's limits.
        if limits.as_ref().is_some_and(|limits| limits.zero().is_some()) {
            return Err("a limit in the `AttemptLimits` of this call is zero; set a greater one");
        }
        let headers = request.headers_mut();
        // `entry` is slower than a lookup and an insertion.
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, user_agent.clone());
        }
        // A caller who asks for a coding gets the answer in that coding.
        let accepts_gzip = *gzip && !headers.contains_key(ACCEPT_ENCODING);
        if accepts_gzip {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Prepared { accepts_gzip, limits })
    }

    // An `async fn` would store its arguments twice. The future stays below 1 KiB, up to which common allocators are fast.
    fn attempt(&self, request: Request<Bytes>, prepared: Prepared) -> impl Future<Output = Answer> + Send {
        let Prepared { accepts_gzip, limits } = prepared;
        let (request, handover) = Outgoing::wrap(request);
        let mut request = Some(request);
        async move {
            // At the first poll, because the future may have been created in another runtime.
            let pool = self.inner.pools.here(request.as_ref().map(Request::uri)).map_err(refused)?;
            let running = Running::begin(limits.as_deref().unwrap_or(&self.inner.limits));
            let deadline = running.end();
            let mut timer = pin!(sleep_until(deadline));
            let (mut reading, lease) = {
                let responding = pin!(pool.request(&mut request, &handover));
                let target = || Target { uri: pool.uri(), route: &self.inner.route };
                match before(|| deadline, timer.as_mut(), responding).await {
                    Some(Ok((response, lease))) => {
                        (Reading::begin(response, accepts_gzip, running.body_size()), lease)
                    }
                    Some(Err(error)) => return Err(failure::before_head(error, &handover, &target())),
                    None => {
                        let passed = running.passed(deadline);
                        return Err(failure::timed_out_before_head(&passed, &handover, &target()));
                    }
                }
            };
            let ended = reading.finish(running, timer).await;
            if ended.is_ok() || reading.is_at_end() {
                lease.give_back(reading.headers());
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

// Building needs a crypto provider.
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
