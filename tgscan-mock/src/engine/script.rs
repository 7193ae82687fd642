//! What the next requests meet.

use std::collections::{BTreeMap, HashMap};

use tgscan_core::types::ApiMethod;

#[cfg(feature = "server")]
use super::ScriptStep;
use super::{Fault, Mock, shape};

impl Mock {
    /// Lets the next requests of `M` fail in this order; `None` lets one be answered. Requests after the last are
    /// answered as usual. Where a script that has run out must be an error, and an unused step too, use
    /// [`expect`](Self::expect).
    ///
    /// A request that is refused (its key, query or credits are wrong, or the fault would change nothing) uses no step.
    /// Faults before the request is processed, such as [`FaultKind::TooManyRequests`](crate::FaultKind), need no credits.
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

/// What to do with the next requests.
#[derive(Clone, Default)]
pub(super) struct Script {
    /// Of the requests of one method; of any, once its own method has none. By number, which is their order.
    steps: HashMap<Option<&'static str>, BTreeMap<u64, Option<Fault>>>,
    /// How many steps there ever were.
    pushed: u64,
}

/// A step that a request has taken.
pub(super) struct Taken {
    queue: Option<&'static str>,
    number: u64,
    /// `None` is an answer as usual.
    pub(super) fault: Option<Fault>,
}

impl Script {
    pub(super) fn push(
        &mut self,
        method: Option<&'static str>,
        faults: impl IntoIterator<Item = Option<Fault>>,
    ) {
        let steps = self.steps.entry(method).or_default();
        for fault in faults {
            steps.insert(self.pushed, fault);
            self.pushed += 1;
        }
    }

    #[cfg(feature = "server")]
    pub(super) fn push_step(&mut self, step: ScriptStep) {
        self.push(step.method, std::iter::repeat_n(step.fault, step.times));
    }

    /// Takes the step of the next request of this method; `None` if there is none.
    pub(super) fn take(&mut self, method: Option<&'static str>) -> Option<Taken> {
        [method, None].into_iter().find_map(|queue| {
            let (number, fault) = self.steps.get_mut(&queue)?.pop_first()?;
            Some(Taken { queue, number, fault })
        })
    }

    /// Puts a step back in its place: the request that had taken it was refused.
    pub(super) fn give_back(&mut self, taken: Taken) {
        self.steps.entry(taken.queue).or_default().insert(taken.number, taken.fault);
    }

    /// How many scripted steps are left.
    pub(super) fn left(&self) -> usize {
        self.steps.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultKind;

    #[test]
    fn steps_given_back_in_any_order_keep_their_own() {
        for is_reversed in [false, true] {
            let mut script = Script::default();
            script.push(Some("search"), [FaultKind::CutJson(0), FaultKind::CutJson(1)].map(Into::into));
            script.push(None, [FaultKind::CutJson(2)].map(Into::into));
            let mut taken: Vec<Taken> = (0..3).map_while(|_| script.take(Some("search"))).collect();
            assert_eq!((taken.len(), script.left()), (3, 0));
            if is_reversed {
                taken.reverse();
            }
            for step in taken {
                script.give_back(step);
            }
            for at in 0..3 {
                let step = script.take(Some("search")).unwrap();
                assert_eq!(step.fault, FaultKind::CutJson(at).into());
            }
            assert!(script.take(Some("search")).is_none());
        }
    }
}
