//! What the next requests meet.

use std::collections::{HashMap, VecDeque};

use tgscan_core::types::ApiMethod;

#[cfg(feature = "server")]
use super::ScriptStep;
use super::{Fault, Mock, shape};

impl Mock {
    /// Lets the next requests of `M` fail in this order; `None` lets one be answered. Requests after the last are
    /// answered as usual. Where a script that has run out must be an error, and an unused step too, use
    /// [`expect`](Self::expect).
    ///
    /// ```
    /// use tgscan_mock::types::Search;
    /// use tgscan_mock::{Fault, FaultKind, Mock};
    ///
    /// let mock = Mock::new();
    /// mock.script::<Search>([FaultKind::TooManyRequests(None), FaultKind::Close]);
    /// // Faults that charge, that come late, or between answers.
    /// mock.script::<Search>([None, Some(Fault::new(FaultKind::Reset).charged())]);
    /// assert_eq!(mock.script_left(), 4);
    /// # mock.clear_script();
    /// ```
    ///
    /// # Panics
    /// If a fault cannot apply to an answer of `M`, with a text that says what would be right: its JSON pointer names a
    /// field that no answer has, its status is not that of a whole answer, or it is too large. Also if the mock does not
    /// answer `M`.
    #[track_caller]
    pub fn script<M: ApiMethod>(&self, faults: impl IntoIterator<Item = impl Into<Option<Fault>>>) {
        accept(shape::check_method(M::NAME));
        self.script_for(Some(M::NAME), faults.into_iter().map(Into::into).collect());
    }

    /// As [`script`](Self::script), for the next requests of any method and path.
    ///
    /// # Panics
    /// If a fault can apply to no answer of any method.
    #[track_caller]
    pub fn script_any(&self, faults: impl IntoIterator<Item = impl Into<Option<Fault>>>) {
        self.script_for(None, faults.into_iter().map(Into::into).collect());
    }

    #[track_caller]
    fn script_for(&self, method: Option<&'static str>, steps: Vec<Option<Fault>>) {
        // All or none, so that a test that is wrong does not go on with half of them.
        for fault in steps.iter().flatten() {
            accept(
                fault.check(method).map_err(|why| format!("{:?} cannot be scripted: {why}", fault.kind())),
            );
        }
        self.state().script.push(method, steps);
    }

    /// As [`script`](Self::script), with steps that were read from a file or sent by another program.
    #[cfg(feature = "server")]
    pub fn script_steps(&self, steps: impl IntoIterator<Item = ScriptStep>) {
        let mut state = self.state();
        for step in steps {
            state.script.push_step(step);
        }
    }

    /// Removes the script steps that are left.
    pub fn clear_script(&self) {
        self.state().script = Script::default();
    }

    /// Returns how many script steps are left.
    pub fn script_left(&self) -> usize {
        self.state().script.left()
    }
}

/// Ends a test whose script or expectation is impossible, and so would test nothing.
#[track_caller]
#[expect(clippy::panic, reason = "the test itself is wrong, and the line that called says where")]
pub(super) fn accept(checked: Result<(), String>) {
    if let Err(why) = checked {
        panic!("{why}");
    }
}

/// Queues of what to do with the next requests.
#[derive(Clone, Default)]
pub(super) struct Script {
    /// For the requests of one method; `None` is an answer as usual.
    by_method: HashMap<&'static str, VecDeque<Option<Fault>>>,
    /// For any request, once the queue of its own method is empty.
    any: VecDeque<Option<Fault>>,
}

impl Script {
    pub(super) fn push(
        &mut self,
        method: Option<&'static str>,
        faults: impl IntoIterator<Item = Option<Fault>>,
    ) {
        match method {
            Some(name) => self.by_method.entry(name).or_default().extend(faults),
            None => self.any.extend(faults),
        }
    }

    #[cfg(feature = "server")]
    pub(super) fn push_step(&mut self, step: ScriptStep) {
        self.push(step.method, std::iter::repeat_n(step.fault, step.times));
    }

    /// What the next request of this method gets; an empty script lets it be answered.
    pub(super) fn next(&mut self, method: Option<&'static str>) -> Option<Fault> {
        let own = method.and_then(|name| self.by_method.get_mut(name)).and_then(VecDeque::pop_front);
        own.or_else(|| self.any.pop_front()).flatten()
    }

    /// How many scripted steps are left.
    pub(super) fn left(&self) -> usize {
        self.any.len() + self.by_method.values().map(VecDeque::len).sum::<usize>()
    }
}
