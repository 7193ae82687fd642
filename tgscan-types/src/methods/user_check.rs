//! Basic user check: whether the service knows anything about a user.
//!
//! Documentation: "Basic User Check"; its test method: "Test Methods".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lenient::{echo, whole};
use crate::object::from_object;
use crate::{ApiMethod, UserQuery};

/// Checks for which fields of a user the service has data, without returning the data. Free, but the balance must
/// be above zero.
///
/// Source: "Basic User Check".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserCheck {
    /// The user: a username or a Telegram numeric id.
    pub query: UserQuery,
}

/// The answer to [`UserCheck`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct UserCheckAnswer {
    /// The fields that the service has data for; `None` if it sent no `user`.
    ///
    /// Assumption: no `user` means an unknown user, as in a search.
    #[serde(default)]
    pub user: Option<UserCheckUser>,
    /// Count and cost.
    pub meta: UserCheckMeta,
}

/// The fields of a user that the service has data for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct UserCheckUser {
    /// Whether a username is known.
    pub username: bool,
    /// Whether a first name is known.
    pub first_name: bool,
    /// Whether a last name is known.
    pub last_name: bool,
}

/// Count and cost of a [`UserCheck`] call.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct UserCheckMeta {
    /// The query as the service understood it.
    #[serde(default, deserialize_with = "echo")]
    pub search_query: String,
    /// Number of groups that the user is known to be in.
    #[serde(deserialize_with = "whole")]
    pub known_num_groups: u64,
    /// Cost of the call in credits. Documented as always 0.
    #[serde(deserialize_with = "whole")]
    pub op_cost: u64,
}

impl UserCheckAnswer {
    /// Returns whether the service knows nothing about the user: no field and no group.
    pub fn nothing_known(&self) -> bool {
        self.user.unwrap_or_default() == UserCheckUser::default() && self.meta.known_num_groups == 0
    }
}

from_object!(UserCheckAnswer, UserCheckUser, UserCheckMeta);

impl ApiMethod for UserCheck {
    type Answer = UserCheckAnswer;
    const NAME: &'static str = "user_check";
    const PATH: &'static str = "/tgscan/v1/user/check";
    const TEST_PATH: Option<&'static str> = Some("/tgscan/v1/test/user/check");
    const CAN_COST: bool = false;

    fn op_cost(answer: &UserCheckAnswer) -> Option<u64> {
        Some(answer.meta.op_cost)
    }

    fn is_answered_by(&self, answer: &UserCheckAnswer) -> bool {
        self.query.is_echoed_by(&answer.meta.search_query)
    }

    fn people(&self, _: Option<&UserCheckAnswer>) -> Vec<String> {
        vec![self.query.as_str().into_owned()]
    }

    fn canonical(&self) -> Option<Self> {
        Some(Self { query: self.query.folded() })
    }
}

impl fmt::Debug for UserCheckMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCheckMeta")
            .field("known_num_groups", &self.known_num_groups)
            .field("op_cost", &self.op_cost)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_missing_or_null_boolean() {
        let body = r#"{"user":{"username":true,"first_name":true,"last_name":false},
            "meta":{"search_query":"a","known_num_groups":2,"op_cost":0}}"#;
        serde_json::from_str::<UserCheckAnswer>(body).unwrap();
        for (from, to) in
            [(r#""username":true,"#, ""), ("false", "null"), ("2", "null"), (r#","op_cost":0"#, "")]
        {
            serde_json::from_str::<UserCheckAnswer>(&body.replace(from, to)).expect_err(from);
        }
    }

    #[test]
    fn nothing_known_is_an_answer() {
        let meta = r#""meta":{"search_query":"alice","known_num_groups":0,"op_cost":0}"#;
        for unknown in
            ["", r#""user":null,"#, r#""user":{"username":false,"first_name":false,"last_name":false},"#]
        {
            let answer: UserCheckAnswer =
                serde_json::from_str(&format!("{{{unknown}{meta}}}")).expect(unknown);
            assert!(answer.nothing_known(), "{unknown}");
        }
        let mut answer = UserCheckAnswer::default();
        answer.meta.known_num_groups = 1;
        assert!(!answer.nothing_known());
        let mut answer = UserCheckAnswer::default();
        answer.user.get_or_insert_default().last_name = true;
        assert!(!answer.nothing_known());
    }

    #[test]
    fn recognises_the_answer_to_another_query() {
        let mut answer = UserCheckAnswer::default();
        answer.meta.search_query = "@ALICE".to_owned();
        let asked = |query: &str| UserCheck { query: query.parse().unwrap() };
        assert!(asked("Alice").is_answered_by(&answer) && !asked("bob_1").is_answered_by(&answer));
    }
}
