//! Expected calls and the response to each.

#[cfg(feature = "server")]
pub(crate) mod control;
pub(super) mod expectations;
mod report;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::strategy::Strategy;
use tgscan_core::types::ApiMethod;

use super::Settings;
use super::fault::Fault;
use super::route::{Draw, DrawResult, draw, pinned};
use super::script::accept;
use crate::data::Generate;
pub(super) use expectations::{Expectations, plural};
pub use report::UnmetExpectations;
pub(super) use report::{current_test, report};

/// An expected call of the API method `M`: the queries that it matches, the number of calls, and their responses.
///
/// Pass it to [`Mock::expect`](crate::Mock::expect). By default it expects one call, or one for each answer and fault in its
/// sequence. A refused request, such as one with an invalid key, gets no answer or fault of the sequence, and counts
/// only for a maximum that is set. Without a sequence it counts like any other. Calls of the test method count like those
/// of the live one.
///
/// ```
/// use tgscan_mock::types::{Search, SearchAnswer, UserQuery};
/// use tgscan_mock::{Expect, FaultKind, Mock};
///
/// # futures_executor::block_on(async {
/// let mock = Mock::new();
/// let mut answer = SearchAnswer::default();
/// answer.user.get_or_insert_default().id = 7;
/// answer.meta.op_cost = 3;
/// // The first call fails, the second finds account 7.
/// let query: UserQuery = "some_username".parse()?;
/// let search = Search { query: query.clone() };
/// mock.expect(Expect::call(&search).then_fault(FaultKind::TooManyRequests { retry_after: Some(1) }).then_answer(answer));
///
/// // 429 means that the request was not processed, so the client retries.
/// let reply = mock.client().search(query).await?;
/// assert_eq!(reply.answer.user.map(|user| user.id), Some(7));
/// // A given answer costs the credits that it states.
/// assert_eq!(mock.account().spent, 3);
/// mock.verify()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "an expectation does nothing until it is passed to `Mock::expect`"]
pub struct Expect<M: ApiMethod> {
    pub(super) expected: Expected,
    method: PhantomData<fn(M)>,
}

/// An [`Expect`] without its type.
#[derive(Clone)]
pub(crate) struct Expected {
    /// The name in reports.
    name: Option<String>,
    method: &'static str,
    /// The exact form, or `None` for any.
    form: Option<String>,
    /// The minimum and maximum number of calls, if given.
    times: Option<(u64, u64)>,
    is_ordered: bool,
    latency: Option<Duration>,
    sequence: Vec<Action>,
    /// Whether the last action of the sequence is for all further calls too.
    is_repeated: bool,
}

/// The response to one call.
#[derive(Clone, Default)]
pub(crate) enum Action {
    /// The response without an expectation.
    #[default]
    Usual,
    Fault(Fault),
    /// An answer from a test, and the cost that it states, which the account is charged.
    Answer {
        body: Bytes,
        op_cost: Option<u64>,
    },
    Sampled(Arc<Sample>),
}

/// Draws an answer from a strategy, as [`draw`] does.
type Sample = dyn Fn(&str, &Draw<'_>) -> DrawResult + Send + Sync;

impl<M: ApiMethod> Expect<M> {
    /// Expects a call of `M` with any query.
    pub fn any() -> Self {
        Self::with_form(None)
    }

    /// Expects a call with exactly this request.
    ///
    /// # Panics
    /// If the request cannot be written as a form, so that it could not be sent either.
    pub fn call(request: &M) -> Self {
        // Panics as documented.
        let form = serde_html_form::to_string(request).expect("a request can be written as a form");
        Self::with_form(Some(form))
    }

    fn with_form(form: Option<String>) -> Self {
        let expected = Expected {
            name: None,
            method: M::NAME,
            form,
            times: None,
            is_ordered: false,
            latency: None,
            sequence: Vec::new(),
            is_repeated: false,
        };
        Self { expected, method: PhantomData }
    }

    /// Sets the name in reports.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.expected.name = Some(name.into());
        self
    }

    /// Expects exactly this number of calls, refused ones included.
    pub fn times(self, calls: u64) -> Self {
        self.between(calls, calls)
    }

    /// Expects at least this number of calls; combine with [`at_most`](Self::at_most) for a range.
    pub fn at_least(self, calls: u64) -> Self {
        let (_, most) = self.expected.times.unwrap_or((0, u64::MAX));
        self.between(calls, most.max(calls))
    }

    /// Expects at most this number of calls, refused ones included; combine with [`at_least`](Self::at_least) for a range.
    pub fn at_most(self, calls: u64) -> Self {
        let (least, _) = self.expected.times.unwrap_or((0, u64::MAX));
        self.between(least.min(calls), calls)
    }

    /// Expects no calls.
    pub fn never(self) -> Self {
        self.times(0)
    }

    fn between(mut self, least: u64, most: u64) -> Self {
        self.expected.times = Some((least, most));
        self
    }

    /// Expects these calls after those of all earlier expectations that are in order. When the first one arrives, the
    /// earlier expectations must have their minimum number of calls, and they accept no more. Expectations without an
    /// order accept calls at any time.
    pub fn in_order(mut self) -> Self {
        self.expected.is_ordered = true;
        self
    }

    /// Sets the latency of these calls; see [`MockBuilder::latency`](crate::MockBuilder::latency). A fault with its own
    /// latency keeps it.
    pub fn after(mut self, latency: Duration) -> Self {
        self.expected.latency = Some(latency);
        self
    }

    /// Answers the next call with this answer. The call is validated and charged like any other, and costs the credits
    /// that the answer states.
    ///
    /// # Panics
    /// If the answer cannot be written as JSON; those of this SDK can.
    pub fn then_answer(self, answer: M::Answer) -> Self {
        // Panics as documented.
        let (body, op_cost) = pinned::<M>(answer).expect("an answer can be written as JSON");
        self.then(Action::Answer { body, op_cost })
    }

    /// Answers the next call with a random answer of this strategy, with the query of the call and the configured cost.
    /// Use it to fix some fields and keep the rest random. The strategy runs while the mock is locked, so it must not use
    /// the mock.
    ///
    /// ```
    /// use proptest::strategy::Strategy;
    /// use tgscan_mock::data::{Generate, Profile};
    /// use tgscan_mock::types::{Search, UserQuery};
    /// use tgscan_mock::{Expect, Mock};
    ///
    /// # futures_executor::block_on(async {
    /// let nameless = Search::answers(Profile::Typical).prop_map(|mut answer| {
    ///     answer.user.get_or_insert_default().first_name.clear();
    ///     answer
    /// });
    /// let mock = Mock::builder().seed(7).build()?;
    /// mock.expect(Expect::<Search>::any().then_sampled(nameless));
    /// let reply = mock.client().search("some_username".parse::<UserQuery>()?).await?;
    /// assert_eq!(reply.answer.user.unwrap_or_default().first_name, "");
    /// assert_eq!(reply.answer.meta.search_query, "some_username");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn then_sampled(self, answers: impl Strategy<Value = M::Answer> + Send + Sync + 'static) -> Self
    where
        M: Generate,
    {
        let answers = answers.sboxed();
        self.then(Action::Sampled(Arc::new(move |form, inputs| draw::<M>(form, inputs, Some(&answers)))))
    }

    /// Fails the next call with this fault.
    ///
    /// # Panics
    /// If the fault is impossible, as for [`Mock::script`](crate::Mock::script). Its field is checked by
    /// [`Mock::expect`](crate::Mock::expect).
    #[track_caller]
    pub fn then_fault(self, fault: impl Into<Fault>) -> Self {
        let fault = fault.into();
        accept(fault.check().map_err(|why| format!("{:?} cannot be expected: {why}", fault.kind())));
        self.then(Action::Fault(fault))
    }

    /// Answers the next call as without an expectation: with a random answer, or a refusal.
    pub fn then_default(self) -> Self {
        self.then(Action::Usual)
    }

    fn then(mut self, action: Action) -> Self {
        self.expected.sequence.push(action);
        self
    }

    /// Gives all further calls the last response of the sequence. Without this, a call after the sequence is an error.
    pub fn repeated(mut self) -> Self {
        self.expected.is_repeated = true;
        self
    }
}

impl Expected {
    /// Checks the fields of the faults; see [`Fault::check_field`].
    pub(super) fn check_fields(&self, settings: &Settings) -> Result<(), String> {
        self.sequence.iter().try_for_each(|action| {
            let Action::Fault(fault) = action else { return Ok(()) };
            let checked = fault.check_field(Some(self.method), settings);
            checked.map_err(|why| format!("{:?} cannot be expected: {why}", fault.kind()))
        })
    }

    /// Returns the minimum and maximum number of calls.
    fn bounds(&self) -> (u64, u64) {
        let steps = u64::try_from(self.sequence.len()).unwrap_or(u64::MAX).max(1);
        self.times.unwrap_or((steps, if self.is_repeated { u64::MAX } else { steps }))
    }

    /// Returns the action for the call after `before` calls, or `None` after the end of the sequence.
    fn action(&self, before: u64) -> Option<&Action> {
        let step = usize::try_from(before).ok().and_then(|index| self.sequence.get(index));
        match self.sequence.last() {
            None => Some(&Action::Usual),
            last => step.or(last.filter(|_| self.is_repeated)),
        }
    }
}

// Without the query, which the report of unmet expectations shows.
impl<M: ApiMethod> fmt::Debug for Expect<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expect")
            .field("method", &self.expected.method)
            .field("times", &self.expected.bounds())
            .finish_non_exhaustive()
    }
}
