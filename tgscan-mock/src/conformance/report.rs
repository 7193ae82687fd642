//! The pass/fail table.

use std::fmt;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// The rule or the fault.
    pub name: String,
    /// What went against the rule.
    pub problem: Option<String>,
}

/// What the suite found. `Display` is a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    cases: Vec<Case>,
}

impl Report {
    pub(super) fn add(&mut self, name: impl Into<String>, result: Result<(), String>) {
        self.cases.push(Case { name: name.into(), problem: result.err() });
    }

    /// Returns every case, in the order in which they ran.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Returns the failed cases.
    pub fn failures(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.problem.is_some())
    }

    /// Returns whether every case passed.
    pub fn is_passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// For tests.
    ///
    /// # Panics
    /// With the table, if a case failed.
    pub fn assert_passed(&self) {
        assert!(self.is_passed(), "the transport does not conform:\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            match &case.problem {
                None => writeln!(f, "pass  {}", case.name)?,
                Some(problem) => writeln!(f, "FAIL  {}: {problem}", case.name)?,
            }
        }
        let failed = self.failures().count();
        write!(f, "{} of {} cases passed", self.cases.len() - failed, self.cases.len())
    }
}
