//! Scripted faults for the next requests.

use std::collections::{BTreeMap, HashMap};

use tgscan_core::types::ApiMethod;

#[cfg(feature = "server")]
use super::ScriptStep;
use super::{Fault, Mock, shape};

impl Mock {
    /// Makes the next requests of `M` fail with these faults, in order; `None` answers a request normally. Requests
    /// after the last step are answered normally. If too many requests or unused steps should be errors, use
    /// [`expect`](Self::expect).
    ///
    /// A refused request (invalid key or query, missing credits, or a fault that would change nothing) uses no step.
    /// Faults before the request is processed, such as [`FaultKind::TooManyRequests`](crate::FaultKind), need no
    /// credits.
    ///
    /// ```
    /// use tgscan_mock::types::Search;
    /// use tgscan_mock::{Fault, FaultKind, Mock};
    ///
    /// let mock = Mock::new();
    /// mock.script::<Search>([FaultKind::TooManyRequests(None), FaultKind::Close]);
    /// // Faults after the charge, and `None` for a normal answer.
    /// mock.script::<Search>([None, Some(Fault::new(FaultKind::Reset).charged())]);
    /// assert_eq!(mock.script_left(), 4);
    /// # mock.clear_script();
    /// ```
    ///
    /// # Panics
    /// If a fault is impossible for an answer of `M`, with a message that says how to correct it: its JSON pointer
    /// names an unknown field, its status does not allow it, or it is too large. Also if the mock does not answer `M`.
    #[track_caller]
    pub fn script<M: ApiMethod>(&self, faults: impl IntoIterator<Item = impl Into<Option<Fault>>>) {
        accept(shape::check_method(M::NAME));
        self.script_for(Some(M::NAME), faults.into_iter().map(Into::into).collect());
    }

    /// Scripts the next requests of any method and path, as [`script`](Self::script) does.
    ///
    /// # Panics
    /// If a fault is impossible for every method.
    #[track_caller]
    pub fn script_any(&self, faults: impl IntoIterator<Item = impl Into<Option<Fault>>>) {
        self.script_for(None, faults.into_iter().map(Into::into).collect());
    }

    #[track_caller]
    fn script_for(&self, method: Option<&'static str>, steps: Vec<Option<Fault>>) {
        // All or none, so that an invalid test does not run with a part of its steps.
        for fault in steps.iter().flatten() {
            accept(
                fault.check(method).map_err(|why| format!("{:?} cannot be scripted: {why}", fault.kind())),
            );
        }
        self.state().script.push(method, steps);
    }

    /// Scripts steps that were read from a file or sent by another program, as [`script`](Self::script) does.
    #[cfg(feature = "server")]
    #[doc(hidden)]
    pub fn script_steps(&self, steps: impl IntoIterator<Item = ScriptStep>) {
        let mut state = self.state();
        for step in steps {
            state.script.push_step(step);
        }
    }

    /// Removes the remaining script steps.
    pub fn clear_script(&self) {
        self.state().script = Script::default();
    }

    /// Returns the number of remaining script steps.
    pub fn script_left(&self) -> usize {
        self.state().script.left()
    }
}

/// Panics if a script or an expectation is impossible, since the test would test nothing.
#[track_caller]
#[expect(clippy::panic, reason = "the test is invalid; the location is that of its call")]
pub(super) fn accept(checked: Result<(), String>) {
    if let Err(why) = checked {
        panic!("{why}");
    }
}

/// The faults of the next requests.
#[derive(Clone, Default)]
pub(super) struct Script {
    /// Steps by number, which is their order, for one method or for any method. A request takes those of its method
    /// first.
    steps: HashMap<Option<&'static str>, BTreeMap<u64, Option<Fault>>>,
    /// The number of steps ever added.
    pushed: u64,
}

/// A step taken by a request.
pub(super) struct TakenStep {
    queue: Option<&'static str>,
    number: u64,
    /// `None` for a normal answer.
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

    /// Takes the next step of this method, if there is one.
    pub(super) fn take(&mut self, method: Option<&'static str>) -> Option<TakenStep> {
        [method, None].into_iter().find_map(|queue| {
            let (number, fault) = self.steps.get_mut(&queue)?.pop_first()?;
            Some(TakenStep { queue, number, fault })
        })
    }

    /// Puts back the step of a request that was refused.
    pub(super) fn give_back(&mut self, taken: TakenStep) {
        self.steps.entry(taken.queue).or_default().insert(taken.number, taken.fault);
    }

    /// Returns the first remaining steps in order, at most this number, as [`ScriptStep`]s.
    #[cfg(feature = "server")]
    pub(super) fn first_steps(&self, most: usize) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let queues = self.steps.iter().flat_map(|(method, steps)| {
            steps.iter().take(most).map(|(number, fault)| (*number, (*method, fault)))
        });
        let steps = queues.collect::<BTreeMap<_, _>>().into_values().take(most);
        steps.map(|(method, fault)| super::step::step_json(method, fault.as_ref())).collect()
    }

    /// Returns the number of remaining steps.
    pub(super) fn left(&self) -> usize {
        self.steps.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultKind;

    #[test]
    fn returned_steps_keep_their_order() {
        for is_reversed in [false, true] {
            let mut script = Script::default();
            script.push(Some("search"), [FaultKind::CutJson(0), FaultKind::CutJson(1)].map(Into::into));
            script.push(None, [FaultKind::CutJson(2)].map(Into::into));
            let mut taken: Vec<TakenStep> = (0..3).map_while(|_| script.take(Some("search"))).collect();
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
