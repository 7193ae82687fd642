//! Scripted faults for the next requests.

use std::collections::{BTreeMap, VecDeque};

use tgscan_core::types::ApiMethod;

use super::{Fault, InvalidMock, Mock, Settings, route};

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
    /// If a fault is impossible, with a message that says how to correct it: its status does not allow it, no answer has
    /// its field, or it is too large. Also if the mock does not answer `M`.
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
    fn script_for(&self, method: Option<&'static str>, faults: Vec<Option<Fault>>) {
        for fault in faults.iter().flatten() {
            accept(fault.check().map_err(|why| format!("{:?} cannot be scripted: {why}", fault.kind())));
        }
        let steps = faults.into_iter().map(|fault| ScriptStep { method, fault, times: 1 }).collect();
        accept(self.script_steps(steps).map_err(|invalid| invalid.0));
    }

    /// Scripts steps that were read from a file or sent by another program, as [`script`](Self::script) does. All or
    /// none, so that an invalid test does not run with a part of its steps.
    ///
    /// # Errors
    /// If no answer has the field of a fault.
    #[doc(hidden)]
    pub fn script_steps(&self, steps: Vec<ScriptStep>) -> Result<(), InvalidMock> {
        let mut state = self.state();
        steps.iter().try_for_each(|step| step.check_field(&state.settings))?;
        state.script.extend(steps);
        Ok(())
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

/// A step of a script, for the next requests of a method or of any method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct ScriptStep {
    pub(super) method: Option<&'static str>,
    /// `None` answers the request normally.
    pub(super) fault: Option<Fault>,
    /// The number of requests that the step is for.
    pub(super) times: usize,
}

impl ScriptStep {
    /// Checks the field of the fault; see [`Fault::check_field`].
    pub(super) fn check_field(&self, settings: &Settings) -> Result<(), InvalidMock> {
        let Some(fault) = &self.fault else { return Ok(()) };
        let checked = fault.check_field(self.method, settings);
        checked.map_err(|why| InvalidMock(format!("{:?} cannot be scripted: {why}", fault.kind())))
    }
}

/// The next steps of each method and of any method. The numbers are in the order in which the steps were added.
#[derive(Clone, Default)]
pub(super) struct Script {
    steps: BTreeMap<Option<&'static str>, VecDeque<(usize, ScriptStep)>>,
    added: usize,
}

impl Script {
    pub(super) fn extend(&mut self, steps: impl IntoIterator<Item = ScriptStep>) {
        for step in steps {
            self.added += 1;
            self.steps.entry(step.method).or_default().push_back((self.added, step));
        }
    }

    /// Returns the next step for this method. Steps of the method come before those of any method.
    pub(super) fn next(&self, method: &'static str) -> Option<&ScriptStep> {
        let next = [Some(method), None].into_iter().find_map(|method| self.steps.get(&method)?.front());
        next.map(|(_, step)| step)
    }

    /// Uses the next step of this method, or of any method, for one request.
    pub(super) fn use_step(&mut self, method: Option<&'static str>) {
        let Some(steps) = self.steps.get_mut(&method) else { return };
        match steps.front_mut() {
            Some((_, ScriptStep { times: times @ 2.., .. })) => *times -= 1,
            _ => drop(steps.pop_front()),
        }
    }

    /// Returns the first steps in order, at most this number.
    pub(super) fn first(&self, most: usize) -> impl Iterator<Item = &ScriptStep> {
        let mut first: Vec<_> = self.steps.values().flat_map(|steps| steps.iter().take(most)).collect();
        first.sort_by_key(|(number, _)| *number);
        first.into_iter().map(|(_, step)| step).take(most)
    }

    /// Returns the number of requests that the steps are for.
    pub(super) fn left(&self) -> usize {
        self.steps.values().flatten().map(|(_, step)| step.times).sum()
    }
}
