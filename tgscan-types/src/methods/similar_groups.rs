//! Similar groups: the groups that share many users with the given ones.
//!
//! Documentation: "Similar Groups Method"; its test method: "Test Methods".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::debug::opaque_debug;
use crate::lenient::{echoes, list, null_as_empty, whole};
use crate::object::from_object;
use crate::{ApiMethod, GroupQuery};

/// Finds groups that are similar to the given ones, by the number of users in common. Costs credits.
///
/// Source: "Similar Groups Method".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SimilarGroups {
    /// The groups: 1 to 10 usernames.
    pub query: GroupQuery,
}

/// The answer to [`SimilarGroups`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct SimilarGroupsAnswer {
    /// The query and the cost.
    pub meta: SimilarGroupsMeta,
    /// The similar groups.
    #[serde(default, deserialize_with = "list")]
    pub groups: Vec<SimilarGroup>,
}

/// Query and cost of a [`SimilarGroups`] call.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct SimilarGroupsMeta {
    /// The usernames as the service understood them.
    #[serde(default, deserialize_with = "echoes")]
    pub search_query: Vec<String>,
    /// Cost of the call in credits.
    #[serde(deserialize_with = "whole")]
    pub op_cost: u64,
}

/// A group that is similar to the given ones.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct SimilarGroup {
    /// Username of the group, without `@`; empty if the service sent null.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub username: String,
    /// Title of the group.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub title: String,
    /// Number of users. The documentation does not say whether these are all users of the group, or those in common
    /// with the query.
    #[serde(deserialize_with = "whole")]
    pub num_users: u64,
}

impl SimilarGroupsAnswer {
    /// Returns whether the service knows no similar group, an ordinary answer that can cost credits.
    pub fn nothing_known(&self) -> bool {
        self.groups.is_empty()
    }
}

from_object!(SimilarGroupsAnswer, SimilarGroupsMeta, SimilarGroup);

impl ApiMethod for SimilarGroups {
    type Answer = SimilarGroupsAnswer;
    const NAME: &'static str = "similar_groups";
    const PATH: &'static str = "/tgscan/v1/chat/similar";
    const TEST_PATH: Option<&'static str> = Some("/tgscan/v1/test/chat/similar");
    const CAN_COST: bool = true;

    fn op_cost(answer: &SimilarGroupsAnswer) -> Option<u64> {
        Some(answer.meta.op_cost)
    }

    fn is_answered_by(&self, answer: &SimilarGroupsAnswer) -> bool {
        self.query.is_echoed_by(&answer.meta.search_query)
    }

    fn people(&self, _: Option<&SimilarGroupsAnswer>) -> Vec<String> {
        Vec::new()
    }

    fn canonical(&self) -> Option<Self> {
        Some(Self { query: self.query.folded() })
    }
}

opaque_debug!(SimilarGroup);

impl fmt::Debug for SimilarGroupsMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimilarGroupsMeta").field("op_cost", &self.op_cost).finish_non_exhaustive()
    }
}

impl fmt::Debug for SimilarGroupsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimilarGroupsAnswer")
            .field("meta", &self.meta)
            .field("groups", &self.groups.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_missing_and_null_lists_and_texts_as_empty() {
        let answer: SimilarGroupsAnswer = serde_json::from_str(r#"{"meta":{"op_cost":1}}"#).unwrap();
        assert!(answer.groups.is_empty() && answer.meta.search_query.is_empty());
        let nulls =
            r#"{"meta":{"search_query":["a",null],"op_cost":1},"groups":[{"username":null,"num_users":4}]}"#;
        let answer: SimilarGroupsAnswer = serde_json::from_str(nulls).unwrap();
        assert_eq!(answer.meta.search_query, ["a", ""]);
        assert_eq!(answer.groups, [SimilarGroup { num_users: 4, ..SimilarGroup::default() }]);
    }

    #[test]
    fn refuses_a_missing_object_or_number() {
        for body in
            ["{}", r#"{"meta":{}}"#, r#"{"meta":{"op_cost":1},"groups":[{"username":"a","title":"b"}]}"#]
        {
            serde_json::from_str::<SimilarGroupsAnswer>(body).expect_err(body);
        }
    }

    #[test]
    fn nothing_known_is_an_answer() {
        let mut answer = SimilarGroupsAnswer::default();
        assert!(answer.nothing_known());
        answer.groups.push(SimilarGroup::default());
        assert!(!answer.nothing_known());
    }

    #[test]
    fn recognises_the_answer_to_another_query() {
        let echo = |echo: &[&str]| {
            let mut answer = SimilarGroupsAnswer::default();
            answer.meta.search_query = echo.iter().copied().map(str::to_owned).collect();
            SimilarGroups { query: "aaaa,Bbbb".parse().unwrap() }.is_answered_by(&answer)
        };
        for same in [
            &[][..],
            &["aaaa", "Bbbb"],
            &["@BBBB", " AAAA "],
            &["aaaa", "bbbb", "AAAA"],
            &["", "bbbb"],
            &[""],
        ] {
            assert!(echo(same), "{same:?}");
        }
        for other in
            [&["aaaa"][..], &["aaaa", "cccc"], &["aaaa", "bbbb", "cccc"], &["", "cccc"], &["aaaa,bbbb"]]
        {
            assert!(!echo(other), "{other:?}");
        }
    }
}
