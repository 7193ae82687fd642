//! The names of accounts, and questions in a canonical form.

use std::fmt;

use serde::{Deserialize, Serialize};
use tgscan_types::ApiMethod;

use crate::panics::catch;
use crate::{Api, KeyKind};

/// The name of an account in a store: a label and a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName {
    /// The label that the caller chose.
    pub label: String,
    /// The service that the account belongs to; see [`Api::with_service`]. Keeps the answers of a mock apart from those
    /// of the real service.
    pub service: String,
}

impl AccountName {
    /// Creates a name.
    pub fn new(label: impl Into<String>, service: impl Into<String>) -> Self {
        Self { label: label.into(), service: service.into() }
    }
}

/// A paid question: live or test, the API method, and the canonical form body, with usernames in lower case. Equal
/// questions of an account share an answer.
///
/// `Debug` hides the query.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// Whether the question is for the live or the test method.
    #[serde(rename = "l")]
    pub is_live: bool,
    /// The name of the API method, such as `search`: `NAME` of its [`ApiMethod`].
    #[serde(rename = "m")]
    pub method: String,
    /// The canonical form body, such as `query=some_username`.
    #[serde(rename = "f")]
    pub form: String,
}

impl Question {
    /// Creates a question from its parts.
    pub fn new(is_live: bool, method: impl Into<String>, form: impl Into<String>) -> Self {
        Self { is_live, method: method.into(), form: form.into() }
    }

    pub(crate) fn of<M: ApiMethod>(api: &Api, method: &M) -> Self {
        let form = match catch(|| method.canonical()).flatten() {
            Some(canonical) => api.request(&canonical).into_body(),
            None => api.request(method).into_body(),
        };
        // The form encoder writes ASCII only.
        Self::new(api.key_kind() == KeyKind::Live, M::NAME, String::from_utf8_lossy(&form))
    }

    /// Returns a text that identifies the question within an account, for use as the key of a table.
    pub fn key(&self) -> String {
        // A form has no line break, so the last line break ends the name of the method.
        format!("{}\n{}\n{}", u8::from(self.is_live), self.method, self.form)
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("is_live", &self.is_live)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_whose_canonical_form_panics_is_asked_as_it_is() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Odd {
            query: String,
        }
        impl ApiMethod for Odd {
            type Answer = tgscan_types::BalanceAnswer;
            const NAME: &'static str = "odd";
            const PATH: &'static str = "/odd";
            const TEST_PATH: Option<&'static str> = None;
            const CAN_COST: bool = true;
            fn op_cost(_: &Self::Answer) -> Option<u64> {
                None
            }
            fn people(&self, _: Option<&Self::Answer>) -> Vec<String> {
                Vec::new()
            }
            fn is_answered_by(&self, _: &Self::Answer) -> bool {
                true
            }
            fn canonical(&self) -> Option<Self> {
                panic!("the canonical form panics")
            }
        }
        let api = Api::new(crate::ApiKey::live("k3y").unwrap());
        assert_eq!(Question::of(&api, &Odd { query: "A".into() }).form, "query=A");
    }

    #[test]
    fn different_questions_have_different_keys() {
        let texts = ["", "a", "a\n", "\na", "\n", "1\na", "a\n1"];
        let mut keys = std::collections::HashSet::new();
        for method in texts {
            for form in ["", "a", "query=a", "1", "0"] {
                for is_live in [false, true] {
                    assert!(keys.insert(Question::new(is_live, method, form).key()), "{method:?} {form:?}");
                }
            }
        }
    }
}
