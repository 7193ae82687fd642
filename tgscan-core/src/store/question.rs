//! What a call asks, in the form in which questions are compared.

use std::fmt;

use tgscan_types::ApiMethod;

use crate::{Api, KeyKind};

/// A paid question: account label, live or test, API method, and the form in canonical form (usernames without regard
/// to case). Equal questions get one answer.
///
/// `Debug` does not show the query.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Question {
    /// The label of the account that pays.
    pub account: String,
    /// Whether the live or the test account is asked.
    pub is_live: bool,
    /// The name of the API method, e.g. `search`: `NAME` of its [`ApiMethod`].
    pub method: String,
    /// The form body in canonical form, e.g. `query=some_username`.
    pub form: String,
}

impl Question {
    /// Creates a question from its parts, e.g. as a store has them.
    pub fn new(
        account: impl Into<String>,
        is_live: bool,
        method: impl Into<String>,
        form: impl Into<String>,
    ) -> Self {
        Self { account: account.into(), is_live, method: method.into(), form: form.into() }
    }

    pub(super) fn of<M: ApiMethod>(api: &Api, account: &str, method: &M) -> Self {
        let form = match method.canonical() {
            Some(canonical) => api.request(&canonical).into_body(),
            None => api.request(method).into_body(),
        };
        // The form encoder writes ASCII only.
        let form = String::from_utf8_lossy(&form).into_owned();
        Self::new(account, api.key_kind() == KeyKind::Live, M::NAME, form)
    }

    /// Returns the question as bytes that differ for different questions, for the key of a table.
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.account.len() + self.method.len() + self.form.len() + 3);
        for text in [&self.account, &self.method] {
            // No text can end another one early: a zero byte inside is doubled with a one.
            for byte in text.bytes() {
                key.push(byte);
                if byte == 0 {
                    key.push(1);
                }
            }
            key.extend([0, 0]);
        }
        key.push(u8::from(self.is_live));
        key.extend(self.form.bytes());
        key
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("account", &self.account)
            .field("is_live", &self.is_live)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_questions_have_different_keys() {
        let texts = ["", "a", "a\0", "\0a", "\0", "\0\0", "a\0\0", "\0\x01"];
        let mut keys = std::collections::HashSet::new();
        for account in texts {
            for method in texts {
                for form in texts {
                    for is_live in [false, true] {
                        assert!(keys.insert(Question::new(account, is_live, method, form).key()));
                    }
                }
            }
        }
    }
}
