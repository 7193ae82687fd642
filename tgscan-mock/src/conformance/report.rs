//! The table of results.

use std::fmt;

/// The severity of a broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Could be better: "maybe sent" where "response started" was possible. The suite still passes.
    Warning,
    /// A part of the response is lost or changed, but no credit is at stake.
    Detail,
    /// A credit may be spent twice or counted wrongly, an answer is lost or belongs to another request, or the key or
    /// the query is exposed.
    Money,
}

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

/// Text without a severity is about money.
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
    /// A description of the failure; `None` if the case passed.
    pub problem: Option<String>,
    /// The severity of the failure; `None` if the case passed.
    pub severity: Option<Severity>,
}

/// The results of the suite. `Display` prints a table.
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

    /// Returns the failed cases, without warnings.
    pub fn failures(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.severity > Some(Severity::Warning))
    }

    /// Returns whether every case passed, with or without warnings.
    pub fn is_passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Asserts that every case passed; warnings are allowed.
    ///
    /// # Panics
    /// With the table of results, if a case failed.
    pub fn assert_passed(&self) {
        assert!(self.is_passed(), "the suite failed:\n{self}");
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
