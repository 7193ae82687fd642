//! Group search: the groups that a user is known to be in.
//!
//! Documentation: "User's Groups Search Method"; its test method: "Test Methods".

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::debug::opaque_debug;
use crate::lenient::{as_text, echo, list, null_as_empty, optional_whole, whole};
use crate::object::from_object;
use crate::{ApiMethod, UserQuery};

/// Finds the groups that a user is known to be in, and the user's former usernames and ids. Costs credits.
///
/// Source: "User's Groups Search Method".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Search {
    /// The user: a username or a Telegram numeric id.
    pub query: UserQuery,
}

/// The answer to [`Search`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct SearchAnswer {
    /// The user as known now; `None` if the service knows nothing about it.
    ///
    /// Assumption: a null, missing or empty `user` (id 0 and no names) means an unknown user. The documentation does
    /// not describe this; existing clients test for each of these forms.
    #[serde(default, deserialize_with = "known_user")]
    pub user: Option<SearchUser>,
    /// Former usernames of the user. The documentation does not state an order.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub username_history: Vec<UsernameEntry>,
    /// Former ids of the user. The documentation does not state an order.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub id_history: Vec<IdEntry>,
    /// Counts and cost.
    pub meta: SearchMeta,
    /// The groups that the user is known to be in.
    #[serde(default, deserialize_with = "list")]
    pub groups: Vec<SearchGroup>,
}

/// The user found by a [`Search`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct SearchUser {
    /// Telegram numeric id.
    #[serde(deserialize_with = "whole")]
    pub id: i64,
    /// Current username, without `@`.
    pub username: Option<String>,
    /// First name; empty if the service sent null.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub first_name: String,
    /// Last name.
    pub last_name: Option<String>,
}

/// A former username of a user.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct UsernameEntry {
    /// The username, without `@`.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub username: String,
    /// The date as sent. The documentation states no format.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub date: String,
}

/// A former id of a user.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct IdEntry {
    /// The id. Documented as text; read from text or number, written as text.
    #[serde(deserialize_with = "whole", serialize_with = "as_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = "^(?:0|-?[1-9][0-9]{0,18})$")))]
    pub id: i64,
    /// The date as sent. The documentation states no format.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub date: String,
}

/// Counts and cost of a [`Search`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct SearchMeta {
    /// The query as the service understood it.
    #[serde(default, deserialize_with = "echo")]
    pub search_query: String,
    /// Number of groups that the user is known to be in.
    #[serde(deserialize_with = "whole")]
    pub known_num_groups: u64,
    /// Number of groups in this answer.
    #[serde(deserialize_with = "whole")]
    pub num_groups: u64,
    /// Cost of the call in credits.
    #[serde(deserialize_with = "whole")]
    pub op_cost: u64,
}

/// A group that a user is known to be in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct SearchGroup {
    /// Telegram numeric id of the group; may be absent, because older documentation does not list it.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Username of the group, without `@`; absent for private groups.
    pub username: Option<String>,
    /// Title of the group.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub title: String,
    /// When the service last saw the user in the group, as sent. The documentation states no date format.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub date_updated: String,
}

impl SearchAnswer {
    /// Returns whether the service knows nothing about the user: no `user`, no groups, and no former usernames or ids.
    ///
    /// This is an ordinary answer that can cost credits. A user with id 0 and no names counts as no user.
    pub fn nothing_known(&self) -> bool {
        self.user.as_ref().is_none_or(|user| user.id == 0)
            && self.groups.is_empty()
            && self.username_history.is_empty()
            && self.id_history.is_empty()
    }
}

fn known_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SearchUser>, D::Error> {
    let user: Option<SearchUser> = Option::deserialize(deserializer)?;
    Ok(user.filter(|user| {
        let is_empty = |name: &Option<String>| name.as_ref().is_none_or(String::is_empty);
        user.id != 0 || !is_empty(&user.username) || !user.first_name.is_empty() || !is_empty(&user.last_name)
    }))
}

from_object!(SearchAnswer, SearchUser, UsernameEntry, IdEntry, SearchMeta, SearchGroup);

impl ApiMethod for Search {
    type Answer = SearchAnswer;
    const NAME: &'static str = "search";
    const PATH: &'static str = "/tgscan/v1/search";
    const TEST_PATH: Option<&'static str> = Some("/tgscan/v1/test/search");
    const CAN_COST: bool = true;

    fn op_cost(answer: &SearchAnswer) -> Option<u64> {
        Some(answer.meta.op_cost)
    }

    fn is_answered_by(&self, answer: &SearchAnswer) -> bool {
        self.query.is_echoed_by(&answer.meta.search_query)
    }

    fn people(&self, answer: Option<&SearchAnswer>) -> Vec<String> {
        let mut people = vec![self.query.as_str().into_owned()];
        if let Some(answer) = answer {
            let user = answer.user.iter().filter(|user| user.id != 0);
            people.extend(user.flat_map(|user| user.username.iter().cloned().chain([user.id.to_string()])));
            people.extend(answer.username_history.iter().map(|entry| entry.username.clone()));
            people.extend(answer.id_history.iter().map(|entry| entry.id.to_string()));
        }
        people
    }

    fn canonical(&self) -> Option<Self> {
        Some(Self { query: self.query.folded() })
    }
}

opaque_debug!(SearchUser, UsernameEntry, IdEntry, SearchGroup);

impl fmt::Debug for SearchMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchMeta")
            .field("known_num_groups", &self.known_num_groups)
            .field("num_groups", &self.num_groups)
            .field("op_cost", &self.op_cost)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SearchAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchAnswer")
            .field("username_history", &self.username_history.len())
            .field("id_history", &self.id_history.len())
            .field("meta", &self.meta)
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = r#"{"user":{"id":1},"meta":{"known_num_groups":3,"num_groups":0,"op_cost":2}}"#;

    #[test]
    fn reads_missing_lists_and_texts_as_empty() {
        let answer: SearchAnswer = serde_json::from_str(BARE).unwrap();
        assert_eq!(answer.user, Some(SearchUser { id: 1, ..SearchUser::default() }));
        assert_eq!((answer.groups.len(), answer.username_history.len(), answer.id_history.len()), (0, 0, 0));
        assert_eq!(Search::op_cost(&answer), Some(2));
    }

    #[test]
    fn reads_null_lists_and_texts_as_empty() {
        let nulls = r#"{"user":{"id":1,"username":null,"first_name":null,"last_name":null},
            "username_history":null,"id_history":null,"groups":[{"id":-1001,"username":null,"title":null,"date_updated":null}],
            "meta":{"search_query":null,"known_num_groups":3,"num_groups":1,"op_cost":2}}"#;
        let answer: SearchAnswer = serde_json::from_str(nulls).unwrap();
        assert_eq!(answer.groups, [SearchGroup { id: Some(-1001), ..SearchGroup::default() }]);
        assert_eq!(answer.user.unwrap().username, None);
    }

    #[test]
    fn nothing_known_is_an_answer() {
        for unknown in [
            "",
            r#""user":null,"#,
            r#""user":{"id":0},"#,
            r#""user":{"id":0.0,"username":"","first_name":null,"last_name":null},"#,
        ] {
            let body = BARE.replace(r#""user":{"id":1},"#, unknown);
            let answer: SearchAnswer = serde_json::from_str(&body).expect(unknown);
            assert_eq!(answer.user, None, "{unknown}");
            assert!(answer.nothing_known(), "{unknown}");
            assert_eq!(Search::op_cost(&answer), Some(2));
            assert!(serde_json::to_string(&answer).unwrap().starts_with(r#"{"user":null,"#));
        }
        let body = BARE.replace(r#"{"id":1}"#, r#"{"id":0,"username":"alice"}"#);
        let named: SearchAnswer = serde_json::from_str(&body).unwrap();
        assert!(named.user.is_some() && named.nothing_known(), "the user is kept");

        assert!(!serde_json::from_str::<SearchAnswer>(BARE).unwrap().nothing_known());
        for known in [
            r#""groups":[{"title":"x"}]"#,
            r#""username_history":[{"username":"x"}]"#,
            r#""id_history":[{"id":7}]"#,
        ] {
            let body = BARE.replace(r#""user":{"id":1}"#, known);
            assert!(!serde_json::from_str::<SearchAnswer>(&body).unwrap().nothing_known(), "{known}");
        }
    }

    #[test]
    fn reads_a_group_without_id() {
        for group in [r#"{"title":"x"}"#, r#"{"id":null,"title":"x"}"#] {
            let group: SearchGroup = serde_json::from_str(group).unwrap();
            assert_eq!((group.id, group.title.as_str()), (None, "x"));
            assert_eq!(
                serde_json::to_string(&group).unwrap(),
                r#"{"username":null,"title":"x","date_updated":""}"#
            );
        }
        serde_json::from_str::<SearchGroup>(r#"{"id":"seven","title":"x"}"#).expect_err("not a number");
    }

    #[test]
    fn reads_a_former_id_from_number_or_text_and_writes_text() {
        for (text, id) in [(r#""12""#, 12), ("12", 12), ("-12", -12), (r#""-9223372036854775808""#, i64::MIN)]
        {
            let entry: IdEntry = serde_json::from_str(&format!(r#"{{"id":{text},"date":"x"}}"#)).unwrap();
            assert_eq!(entry.id, id);
            assert_eq!(serde_json::to_string(&entry).unwrap(), format!(r#"{{"id":"{id}","date":"x"}}"#));
        }
        for wrong in [r#""""#, r#""1.5""#, "1.5", "null", "true", "9223372036854775808", r#""x""#, "[]"] {
            let entry = serde_json::from_str::<IdEntry>(&format!(r#"{{"id":{wrong},"date":"x"}}"#));
            assert!(entry.unwrap_err().to_string().contains("expected i64"), "{wrong}");
        }
    }

    #[test]
    fn refuses_a_missing_object_or_number() {
        for removed in [r#""id":1"#, r#""known_num_groups":3,"#, r#""num_groups":0,"#] {
            let body = BARE.replace(removed, "");
            assert_ne!(body, BARE, "{removed} is not in the sample");
            serde_json::from_str::<SearchAnswer>(&body).expect_err(removed);
        }
        serde_json::from_str::<SearchAnswer>(&BARE.replace(r#"{"id":1}"#, "7")).expect_err("a number");
        serde_json::from_str::<SearchAnswer>(&BARE.replace("2}", "null}")).expect_err("a null cost");
    }

    #[test]
    fn recognises_the_answer_to_another_query() {
        let echo = |query: &str, echo: &str| {
            let mut answer = SearchAnswer::default();
            echo.clone_into(&mut answer.meta.search_query);
            Search { query: query.parse().unwrap() }.is_answered_by(&answer)
        };
        for same in ["Alice", "alice", "@ALICE", " alice\n", "", " "] {
            assert!(echo("Alice", same), "{same:?}");
        }
        assert!(echo("77", "77") && echo("77", " 77 ") && echo("77", ""));
        assert!(!echo("Alice", "bob_1") && !echo("Alice", "alice2") && !echo("Alice", "77"));
        assert!(!echo("77", "78") && !echo("77", "alice"));
    }
}
