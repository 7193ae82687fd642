//! What is limited, and whether counts keep to it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// The file of limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) limit: Vec<Limit>,
}

/// One limit: a count, perhaps less another, perhaps divided by a third, is at most so much.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    pub(super) count: Count,
    /// A subject of the measuring package.
    of: String,
    minus: Option<String>,
    divided_by: Option<String>,
    at_most: f64,
}

/// What is counted: it is the same in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Count {
    /// How often the allocator is called.
    Allocations,
    /// Bytes in use at most, beyond those before.
    Bytes,
    /// Instructions, by callgrind.
    Instructions,
}

/// What was counted, by subject.
pub(super) type Counts = BTreeMap<(Count, String), f64>;

impl Limit {
    /// The subjects that must be counted.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &String> {
        [Some(&self.of), self.minus.as_ref(), self.divided_by.as_ref()].into_iter().flatten()
    }

    /// The figure that is limited.
    pub(super) fn figure(&self, counts: &Counts) -> Result<f64, String> {
        let count = |subject: &String| {
            let found = counts.get(&(self.count, subject.clone())).copied();
            found.ok_or_else(|| format!("limits.toml names {subject}, which was not counted"))
        };
        let minus = self.minus.as_ref().map_or(Ok(0.0), count)?;
        let divisor = self.divided_by.as_ref().map_or(Ok(1.0), count)?;
        Ok((count(&self.of)? - minus) / divisor)
    }

    pub(super) fn allows(&self, figure: f64) -> bool {
        // Counts repeat to the last digit, so a hair's breadth only absorbs the rounding of the division.
        figure <= self.at_most + 1e-9
    }

    /// The figure and its limit, as a row.
    pub(super) fn row(&self, figure: f64) -> String {
        let digits = if self.divided_by.is_some() { 3 } else { 0 };
        let mark = if self.allows(figure) { "" } else { "  OVER THE LIMIT" };
        let at_most = self.at_most;
        format!("{:<64}{figure:>10.digits$}  at most {at_most:>8.digits$}{mark}", self.to_string())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match self.count {
            Count::Allocations => "allocations",
            Count::Bytes => "bytes",
            Count::Instructions => "instructions",
        };
        write!(f, "{count} of {}", self.of)?;
        if let Some(minus) = &self.minus {
            write!(f, " less {minus}")?;
        }
        match &self.divided_by {
            Some(divisor) => write!(f, " to {divisor}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(at_most: f64) -> Vec<Limit> {
        let file = format!(
            "[[limit]]\ncount = \"allocations\"\nof = \"call\"\nminus = \"decode\"\nat_most = {at_most}\n\
             [[limit]]\ncount = \"instructions\"\nof = \"decode\"\ndivided_by = \"plain\"\nat_most = {at_most}\n"
        );
        toml::from_str::<Limits>(&file).unwrap().limit
    }

    fn counts() -> Counts {
        [
            (Count::Allocations, "call", 13.0),
            (Count::Allocations, "decode", 10.0),
            (Count::Instructions, "decode", 60.0),
            (Count::Instructions, "plain", 20.0),
        ]
        .into_iter()
        .map(|(count, subject, value)| ((count, subject.to_owned()), value))
        .collect()
    }

    #[test]
    fn a_limit_holds_at_its_figure_and_fails_below() {
        for limit in limits(3.0) {
            assert!(limit.allows(limit.figure(&counts()).unwrap()), "{limit}");
        }
        for limit in limits(2.9) {
            let figure = limit.figure(&counts()).unwrap();
            assert!(!limit.allows(figure), "{limit}");
            assert!(limit.row(figure).ends_with("OVER THE LIMIT"));
        }
    }

    #[test]
    fn an_unknown_subject_is_an_error() {
        let problem = limits(3.0)[0].figure(&Counts::new()).unwrap_err();
        assert!(problem.contains("names decode"), "{problem}");
    }

    #[test]
    fn the_committed_limits_can_be_read() {
        let text = std::fs::read_to_string(crate::root().join("xtask/bench/limits.toml")).unwrap();
        let limits: Limits = toml::from_str(&text).unwrap();
        for count in [Count::Allocations, Count::Instructions] {
            for subject in ["build", "call", "decode-5", "decode-100"] {
                let is_about = |limit: &&Limit| limit.count == count && limit.of == subject;
                assert!(limits.limit.iter().any(|limit| is_about(&limit)), "{count:?} of {subject}");
            }
        }
    }
}
