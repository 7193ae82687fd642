//! Similar groups: groups that have many users in common with the given ones.
//!
//! Documentation: "Similar Groups Method"; its test method: "Test Methods".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::debug::opaque_debug;
use crate::lenient::{echoes, list, null_as_empty, whole};
use crate::object::read_from_objects;
use crate::{ApiMethod, GroupQuery};

/// Asks for groups that are similar to the given ones, by the number of users they have in common. Costs credits.
///
/// Source: "Similar Groups Method".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SimilarGroups {
    /// The groups: 1 to 10 usernames.
    pub query: GroupQuery,
}

/// What a [`SimilarGroups`] answers.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SimilarGroupsAnswer {
    /// The query and the cost.
    pub meta: SimilarGroupsMeta,
    /// The similar groups.
    #[serde(default)]
    pub groups: Vec<SimilarGroup>,
}

/// Query and cost of a [`SimilarGroups`].
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SimilarGroupsMeta {
    /// The usernames as the service understood them.
    #[serde(default)]
    pub search_query: Vec<String>,
    /// What this call cost, in credits.
    pub op_cost: u64,
}

/// A group that is similar to the given ones.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SimilarGroup {
    /// Username of the group, without `@`; empty where the service sent null.
    #[serde(default)]
    pub username: String,
    /// Title of the group.
    #[serde(default)]
    pub title: String,
    /// Number of users. The documentation does not say whether of the group or in common with the query.
    pub num_users: u64,
}

impl SimilarGroupsAnswer {
    /// Whether the service knows no similar group. An ordinary outcome that can cost credits.
    pub fn nothing_known(&self) -> bool {
        self.groups.is_empty()
    }
}

// How each of them is read; where it differs from what is written stands in `lenient.rs`.

#[derive(Deserialize)]
#[serde(remote = "SimilarGroupsAnswer")]
struct ReadAnswer {
    meta: SimilarGroupsMeta,
    #[serde(default, deserialize_with = "list")]
    groups: Vec<SimilarGroup>,
}

#[derive(Deserialize)]
#[serde(remote = "SimilarGroupsMeta")]
struct ReadMeta {
    #[serde(default, deserialize_with = "echoes")]
    search_query: Vec<String>,
    #[serde(deserialize_with = "whole")]
    op_cost: u64,
}

#[derive(Deserialize)]
#[serde(remote = "SimilarGroup")]
struct ReadGroup {
    #[serde(default, deserialize_with = "null_as_empty")]
    username: String,
    #[serde(default, deserialize_with = "null_as_empty")]
    title: String,
    #[serde(deserialize_with = "whole")]
    num_users: u64,
}

read_from_objects!(SimilarGroupsAnswer by ReadAnswer, SimilarGroupsMeta by ReadMeta, SimilarGroup by ReadGroup);

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
    fn missing_and_null_lists_and_texts_read_as_empty() {
        let answer: SimilarGroupsAnswer = serde_json::from_str(r#"{"meta":{"op_cost":1}}"#).unwrap();
        assert!(answer.groups.is_empty() && answer.meta.search_query.is_empty());
        let nulls =
            r#"{"meta":{"search_query":null,"op_cost":1},"groups":[{"username":null,"num_users":4}]}"#;
        let answer: SimilarGroupsAnswer = serde_json::from_str(nulls).unwrap();
        assert_eq!(answer.groups, [SimilarGroup { num_users: 4, ..SimilarGroup::default() }]);
    }

    #[test]
    fn null_in_the_echo_does_not_lose_the_answer() {
        let answer: SimilarGroupsAnswer =
            serde_json::from_str(r#"{"meta":{"search_query":["a",null],"op_cost":1}}"#).unwrap();
        assert_eq!(answer.meta.search_query, ["a", ""]);
    }

    #[test]
    fn a_missing_object_or_number_is_an_error() {
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
    fn tells_the_answer_of_another_query() {
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
