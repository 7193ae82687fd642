//! What a test expects to be called, and what each such call gets.

mod book;
mod report;

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{ApiMethod, Envelope};

use super::fault::Fault;
use super::script::accept;
use crate::data::Generate;
pub(super) use book::plural;
pub(super) use book::{Book, Call, Seen};
pub use report::UnmetExpectations;
pub(super) use report::report;

/// An expected call of the API method `M`: which queries it matches, how often it comes, what it gets.
///
/// Give it to [`Mock::expect`](crate::Mock::expect). It counts every matching request that arrives, whatever it is
/// answered: a request with a wrong key counts, and is refused. Without a count it is expected once, or as often as
/// it has answers and faults in sequence; each of these is then for a request that is not refused.
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
/// mock.expect(Expect::call(&search).then_fault(FaultKind::TooManyRequests(Some(1))).then_answer(answer));
///
/// // 429 was refused before it was processed, so the client asks again by itself.
/// let reply = mock.client().search(query).await?;
/// assert_eq!(reply.answer.user.map(|user| user.id), Some(7));
/// // A pinned answer costs what it says.
/// assert_eq!(mock.account().spent, 3);
/// mock.verify()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "an expectation does nothing until `Mock::expect` has it"]
pub struct Expect<M: ApiMethod> {
    expected: Expected,
    method: PhantomData<fn(M)>,
}

/// The same without the type.
#[derive(Clone)]
pub(crate) struct Expected {
    /// What the test calls it.
    name: Option<String>,
    method: &'static str,
    /// The exact form; any, if there is none.
    form: Option<String>,
    /// Whether only the test method, or only the live one; either, if there is none.
    is_test: Option<bool>,
    /// Fewest and most calls, where they were given.
    times: Option<(u64, u64)>,
    is_ordered: bool,
    latency: Option<Duration>,
    sequence: Vec<Act>,
    rest: Option<Act>,
}

/// What one call gets.
#[derive(Clone)]
pub(crate) enum Act {
    /// What it would get without an expectation.
    Usual,
    Fault(Fault),
    Answer(Pinned),
    Drawn(Drawn),
}

impl Act {
    #[track_caller]
    fn fault<M: ApiMethod>(fault: Fault) -> Self {
        let checked = fault.check(Some(M::NAME));
        accept(checked.map_err(|why| format!("{:?} cannot be expected: {why}", fault.kind())));
        Self::Fault(fault)
    }
}

/// An answer that a test wrote.
#[derive(Clone)]
pub(crate) struct Pinned {
    pub(crate) body: Bytes,
    /// What the answer says it costs, which is what the account then loses.
    pub(crate) op_cost: Option<u64>,
}

/// Where answers are drawn from: a strategy for the answers of its method.
#[derive(Clone)]
pub(crate) struct Drawn(Arc<dyn Any + Send + Sync>);

impl Drawn {
    /// The strategy; `None` for another method than its own.
    pub(crate) fn of<M: Generate>(&self) -> Option<&SBoxedStrategy<M::Answer>> {
        self.0.downcast_ref()
    }
}

impl Pinned {
    // Panics: where an own answer type cannot be written as JSON, which a test must hear of at once.
    fn new<M: ApiMethod>(answer: M::Answer) -> Self {
        let op_cost = M::op_cost(&answer);
        let body = serde_json::to_vec(&Envelope::Ok(answer)).expect("an answer can be written as JSON");
        Self { body: Bytes::from(body), op_cost }
    }
}

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
        // Panics: as the documentation above says.
        let form = serde_html_form::to_string(request).expect("a request can be written as a form");
        Self::with_form(Some(form))
    }

    fn with_form(form: Option<String>) -> Self {
        let expected = Expected {
            name: None,
            method: M::NAME,
            form,
            is_test: None,
            times: None,
            is_ordered: false,
            latency: None,
            sequence: Vec::new(),
            rest: None,
        };
        Self { expected, method: PhantomData }
    }

    /// Gives it a name for the report of what was not met.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.expected.name = Some(name.into());
        self
    }

    /// Expects a call of the live method only. By default, calls of the test method count too.
    pub fn live_only(mut self) -> Self {
        self.expected.is_test = Some(false);
        self
    }

    /// Expects a call of the test method only.
    pub fn test_only(mut self) -> Self {
        self.expected.is_test = Some(true);
        self
    }

    /// Expects exactly this number of calls.
    pub fn times(self, calls: u64) -> Self {
        self.between(calls, calls)
    }

    /// Expects at least this number of calls; combine with [`at_most`](Self::at_most) for a range.
    pub fn at_least(self, calls: u64) -> Self {
        let (_, most) = self.expected.times.unwrap_or((0, u64::MAX));
        self.between(calls, most.max(calls))
    }

    /// Expects at most this number of calls; combine with [`at_least`](Self::at_least) for a range.
    pub fn at_most(self, calls: u64) -> Self {
        let (least, _) = self.expected.times.unwrap_or((0, u64::MAX));
        self.between(least.min(calls), calls)
    }

    /// Expects no such call.
    pub fn never(self) -> Self {
        self.times(0)
    }

    fn between(mut self, least: u64, most: u64) -> Self {
        self.expected.times = Some((least, most));
        self
    }

    /// Expects it after all expectations that are in order and were given before: they must have had their least
    /// number of calls by then, and get no more afterwards. Those that are not in order may come at any time.
    pub fn in_order(mut self) -> Self {
        self.expected.is_ordered = true;
        self
    }

    /// Lets each of these calls take so long, instead of the mock's own latency; see
    /// [`MockBuilder::latency`](crate::MockBuilder::latency). A fault that has one of its own keeps it.
    pub fn after(mut self, latency: Duration) -> Self {
        self.expected.latency = Some(latency);
        self
    }

    /// Answers the next call with this answer. The call is validated and charged like any other, and costs what the answer says.
    ///
    /// # Panics
    /// If the answer cannot be written as JSON; those of this SDK can.
    pub fn then_answer(self, answer: M::Answer) -> Self {
        self.then(Act::Answer(Pinned::new::<M>(answer)))
    }

    /// The next call gets a random answer of this strategy, which echoes the query and costs what is configured: for
    /// answers of which a test pins some fields.
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
        self.then(Act::Drawn(Drawn(Arc::new(answers.sboxed()))))
    }

    /// Fails the next call with this fault.
    ///
    /// # Panics
    /// If it cannot apply to an answer of `M`, as [`Mock::script`](crate::Mock::script).
    #[track_caller]
    pub fn then_fault(self, fault: impl Into<Fault>) -> Self {
        self.then(Act::fault::<M>(fault.into()))
    }

    /// Answers the next call as without an expectation: with a random answer, or a refusal.
    pub fn then_default(self) -> Self {
        self.then(Act::Usual)
    }

    fn then(mut self, act: Act) -> Self {
        self.expected.sequence.push(act);
        self
    }

    /// Every call after the sequence gets this answer. Without this and the three below, a sequence that has run out
    /// is an error.
    ///
    /// # Panics
    /// If the answer cannot be written as JSON; those of this SDK can.
    pub fn always_answer(self, answer: M::Answer) -> Self {
        self.always(Act::Answer(Pinned::new::<M>(answer)))
    }

    /// Answers every call after the sequence with a random answer of this strategy; see
    /// [`then_sampled`](Self::then_sampled).
    pub fn always_sampled(self, answers: impl Strategy<Value = M::Answer> + Send + Sync + 'static) -> Self
    where
        M: Generate,
    {
        self.always(Act::Drawn(Drawn(Arc::new(answers.sboxed()))))
    }

    /// Fails every call after the sequence with this fault.
    ///
    /// # Panics
    /// If it cannot apply to an answer of `M`, as [`Mock::script`](crate::Mock::script).
    #[track_caller]
    pub fn always_fault(self, fault: impl Into<Fault>) -> Self {
        self.always(Act::fault::<M>(fault.into()))
    }

    /// Answers every call after the sequence as without an expectation.
    pub fn always_default(self) -> Self {
        self.always(Act::Usual)
    }

    fn always(mut self, act: Act) -> Self {
        self.expected.rest = Some(act);
        self
    }

    pub(crate) fn into_expected(self) -> Expected {
        self.expected
    }
}

impl Expected {
    /// Fewest and most calls.
    fn bounds(&self) -> (u64, u64) {
        let steps = u64::try_from(self.sequence.len()).unwrap_or(u64::MAX);
        match (self.times, &self.rest) {
            (Some(times), _) => times,
            (None, Some(_)) => (steps.max(1), u64::MAX),
            (None, None) => (steps.max(1), steps.max(1)),
        }
    }

    /// What the call gets that has so many before it; `None` if the sequence has run out.
    fn act(&self, before: u64) -> Option<Act> {
        let step = usize::try_from(before).ok().and_then(|index| self.sequence.get(index));
        let rest = || match &self.rest {
            None if self.sequence.is_empty() => Some(Act::Usual),
            rest => rest.clone(),
        };
        step.cloned().or_else(rest)
    }
}

// Without the query; the report of what was not met shows it.
impl<M: ApiMethod> fmt::Debug for Expect<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expect")
            .field("method", &self.expected.method)
            .field("times", &self.expected.bounds())
            .finish_non_exhaustive()
    }
}
