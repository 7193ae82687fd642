//! Answers to repeated queries.

use std::collections::HashMap;

use serde::Deserialize;

/// The answer to a repeated query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// The same answer every time, as from a database.
    #[default]
    Same,
    /// Another answer each time: it also depends on the number of earlier calls of the method with the query.
    Varied,
}

/// The largest number of queries that are counted.
const MOST_QUERIES: usize = 100_000;

/// How often each query was asked.
#[derive(Default)]
pub(super) struct Counts {
    /// By the hash of the query.
    asked: HashMap<u64, u64>,
    /// The first count of a query: above all counts that were removed.
    first: u64,
}

impl Counts {
    /// Counts a query, and returns its earlier count. A query never has a count twice. Above the limit of queries, all begin
    /// again at a higher count.
    pub(super) fn count(&mut self, query: u64) -> u64 {
        if self.asked.len() >= MOST_QUERIES && !self.asked.contains_key(&query) {
            self.first = self.asked.values().copied().max().unwrap_or_default();
            self.asked.clear();
        }
        let count = self.asked.entry(query).or_insert(self.first);
        *count += 1;
        *count - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_limited_and_never_repeat_for_a_query() {
        let mut counts = Counts::default();
        assert_eq!([counts.count(7), counts.count(7), counts.count(8), counts.count(7)], [0, 1, 0, 2]);
        let fill = 10..MOST_QUERIES as u64 + 8;
        assert!(fill.into_iter().all(|query| counts.count(query) == 0));
        assert_eq!((counts.asked.len(), counts.count(8)), (MOST_QUERIES, 1));
        assert_eq!((counts.count(1), counts.asked.len()), (3, 1));
        assert_eq!([counts.count(7), counts.count(8), counts.count(7)], [3, 3, 4]);
    }
}
