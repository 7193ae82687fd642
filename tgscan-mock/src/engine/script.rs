//! Which requests fail, and how: faults in sequence, per method.

use std::collections::{HashMap, VecDeque};

use super::fault::Fault;

/// Queues of what to do with the next requests.
#[derive(Clone, Default)]
pub(super) struct Script {
    /// For the requests of one method; `None` is an answer as usual.
    by_method: HashMap<&'static str, VecDeque<Option<Fault>>>,
    /// For any request, once the queue of its own method is empty.
    any: VecDeque<Option<Fault>>,
}

impl Script {
    pub(super) fn push(&mut self, method: Option<&'static str>, faults: impl Iterator<Item = Option<Fault>>) {
        match method {
            Some(name) => self.by_method.entry(name).or_default().extend(faults),
            None => self.any.extend(faults),
        }
    }

    #[cfg(feature = "server")]
    pub(super) fn push_step(&mut self, step: super::ScriptStep) {
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
