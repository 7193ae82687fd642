//! Scripted faults for the next requests.

use std::collections::{BTreeMap, VecDeque};

use tgscan_core::types::ApiMethod;

#[cfg(feature = "server")]
use super::ScriptStep;
use super::{Fault, Mock, route};

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
    /// mock.script::<Search>([FaultKind::TooManyRequests { retry_after: None }, FaultKind::Close]);
    /// // Faults after the charge, and `None` for a normal answer.
    /// mock.script::<Search>([None, Some(Fault::new(FaultKind::Reset).charged())]);
    /// assert_eq!(mock.script_left(), 4);
    /// # mock.clear_script();
    /// ```
    ///
    /// # Panics
    /// If a fault is impossible, with a message that says how to correct it: its status does not allow it, or it is too
    /// large. Also if the mock does not answer `M`.
    #[track_caller]
    pub fn script<M: ApiMethod>(&self, faults: impl IntoIterator<Item = impl Into<Option<Fault>>>) {
        accept(route::checked(M::NAME).map(drop));
        self.script_for(Some(M::NAME), faults.into_iter().map(Into::into).collect());
    }

    /// Scripts the next requests of any method and path, as [`script`](Self::script) does.
    ///
    /// # Panics
    /// If a fault is impossible.
    #[track_caller]
    pub fn script_any(&self, faults: impl IntoIterator<Item = impl Into<Option<Fault>>>) {
        self.script_for(None, faults.into_iter().map(Into::into).collect());
    }

    #[track_caller]
    fn script_for(&self, method: Option<&'static str>, steps: Vec<Option<Fault>>) {
        // All or none, so that an invalid test does not run with a part of its steps.
        for fault in steps.iter().flatten() {
            accept(fault.check().map_err(|why| format!("{:?} cannot be scripted: {why}", fault.kind())));
        }
        let script = &mut self.state().script;
        for fault in steps {
            script.push(method, fault, 1);
        }
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

/// The faults of the next requests: steps for one method each, or for any, with the number of requests that they are for.
#[derive(Clone, Default)]
pub(super) struct Script(BTreeMap<Option<&'static str>, VecDeque<(Option<Fault>, usize)>>);

impl Script {
    fn push(&mut self, method: Option<&'static str>, fault: Option<Fault>, times: usize) {
        self.0.entry(method).or_default().push_back((fault, times));
    }

    #[cfg(feature = "server")]
    pub(super) fn push_step(&mut self, step: ScriptStep) {
        self.push(step.method, step.fault, step.times);
    }

    /// Returns the next step for this method, if there is one: the method that it is for, and its fault. Steps of the method
    /// come before those of any method.
    pub(super) fn next(&self, method: &'static str) -> Option<(Option<&'static str>, Option<Fault>)> {
        [Some(method), None].into_iter().find_map(|method| {
            let (fault, _) = self.0.get(&method)?.front()?;
            Some((method, fault.clone()))
        })
    }

    /// Removes the next step for this method, or for any, after a request used it.
    pub(super) fn remove(&mut self, method: Option<&'static str>) {
        let Some(steps) = self.0.get_mut(&method) else { return };
        match steps.front_mut() {
            Some((_, times @ 2..)) => *times -= 1,
            _ => drop(steps.pop_front()),
        }
    }

    /// Returns the next steps of each method and then those of any, at most this number, as [`ScriptStep`]s.
    #[cfg(feature = "server")]
    pub(super) fn first_steps(&self, most: usize) -> Vec<serde_json::Value> {
        let steps =
            self.0.iter().rev().flat_map(|(method, steps)| steps.iter().map(move |step| (method, step)));
        let steps = steps.flat_map(|(method, (fault, times))| std::iter::repeat_n((method, fault), *times));
        steps.take(most).map(|(method, fault)| super::step::step_json(*method, fault.as_ref())).collect()
    }

    /// Returns the number of remaining steps.
    pub(super) fn left(&self) -> usize {
        self.0.values().flatten().map(|(_, times)| times).sum()
    }
}
