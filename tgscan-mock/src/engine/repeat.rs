//! Answers to repeated queries.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// The answer to a repeated query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// The same answer every time, as from a database.
    #[default]
    Same,
    /// Another answer each time: it also depends on the number of earlier answers of the method to the query.
    Varied,
}

/// The largest number of queries that are counted.
const MOST_QUERIES: usize = 100_000;

/// The number of answers to each query.
#[derive(Default)]
pub(super) struct Counts {
    /// By the hash of the query.
    answers: HashMap<u64, u64>,
    /// The first count of a query: above all counts that were removed.
    first: u64,
}

impl Counts {
    /// Returns the count of a query, to read it or to add to it. A query never has a count twice. Above the limit of
    /// queries, all begin again at a higher count.
    pub(super) fn of(&mut self, query: u64) -> &mut u64 {
        if self.answers.len() >= MOST_QUERIES && !self.answers.contains_key(&query) {
            self.first = self.answers.values().copied().max().unwrap_or_default();
            self.answers.clear();
        }
        self.answers.entry(query).or_insert(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_limited_and_never_repeat_for_a_query() {
        let mut counts = Counts::default();
        let count = |counts: &mut Counts, query| {
            let count = counts.of(query);
            *count += 1;
            *count - 1
        };
        assert_eq!(
            [count(&mut counts, 7), count(&mut counts, 7), count(&mut counts, 8), count(&mut counts, 7)],
            [0, 1, 0, 2]
        );
        let fill = 10..MOST_QUERIES as u64 + 8;
        assert!(fill.into_iter().all(|query| count(&mut counts, query) == 0));
        assert_eq!((counts.answers.len(), count(&mut counts, 8)), (MOST_QUERIES, 1));
        assert_eq!((count(&mut counts, 1), counts.answers.len()), (3, 1));
        assert_eq!([count(&mut counts, 7), count(&mut counts, 8), count(&mut counts, 7)], [3, 3, 4]);
    }
}
