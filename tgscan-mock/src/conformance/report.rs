//! The pass/fail table.

use std::fmt;

/// How much a broken rule matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It could be better: "maybe sent" where "response started" was possible. The suite passes.
    Warning,
    /// Something that came is lost or changed, without a credit being at stake.
    Detail,
    /// A credit may be spent twice or be counted wrongly, an answer is lost or somebody else's, or the key or the query is
    /// shown.
    Money,
}

/// What went against a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    severity: Severity,
    text: String,
}

impl Problem {
    pub(super) fn detail(text: impl Into<String>) -> Self {
        Self { severity: Severity::Detail, text: text.into() }
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into() }
    }
}

/// What is not said to be less concerns money.
impl<T: Into<String>> From<T> for Problem {
    fn from(text: T) -> Self {
        Self { severity: Severity::Money, text: text.into() }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// The rule or the fault.
    pub name: String,
    /// What went against the rule.
    pub problem: Option<String>,
    /// How much that matters.
    pub severity: Option<Severity>,
}

/// What the suite found. `Display` is a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    cases: Vec<Case>,
}

impl Report {
    pub(super) fn add(&mut self, name: impl Into<String>, result: Result<(), Problem>) {
        let (problem, severity) = result.err().map(|it| (it.text, it.severity)).unzip();
        self.cases.push(Case { name: name.into(), problem, severity });
    }

    /// Returns every case, in the order in which they ran.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Returns the failed cases. Warnings are none.
    pub fn failures(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.severity > Some(Severity::Warning))
    }

    /// Returns whether every case passed, be it with a warning.
    pub fn is_passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// For tests.
    ///
    /// # Panics
    /// With the table, if a case failed.
    pub fn assert_passed(&self) {
        assert!(self.is_passed(), "it does not conform:\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            let word = match case.severity {
                None => "pass   ",
                Some(Severity::Warning) => "warning",
                Some(Severity::Detail) => "FAIL   ",
                Some(Severity::Money) => "MONEY  ",
            };
            match &case.problem {
                None => writeln!(f, "{word} {}", case.name)?,
                Some(problem) => writeln!(f, "{word} {}: {problem}", case.name)?,
            }
        }
        let failed = self.failures().count();
        write!(f, "{} of {} cases passed", self.cases.len() - failed, self.cases.len())
    }
}
