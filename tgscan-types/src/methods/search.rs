//! User's groups search: in which groups an account is known to be.
//!
//! Documentation: "User's Groups Search Method"; its test method: "Test Methods".

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::debug::opaque_debug;
use crate::lenient::{as_text, echo, list, null_as_empty, optional_whole, whole};
use crate::object::read_from_objects;
use crate::{ApiMethod, UserQuery};

/// Asks in which groups an account is known to be, with its history of usernames and ids. Costs credits.
///
/// Source: "User's Groups Search Method".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Search {
    /// The account: a username or a Telegram numeric id.
    pub query: UserQuery,
}

/// What a [`Search`] answers.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SearchAnswer {
    /// The account as it is known now; absent where nothing is known about it.
    ///
    /// Assumption: a null, missing or entirely empty `user` (id 0 and no name) is how the service says that. The
    /// documentation does not describe it; clients in the field test for each of these.
    #[serde(default)]
    pub user: Option<SearchUser>,
    /// Usernames that the account had. The documentation does not state an order.
    #[serde(default)]
    pub username_history: Vec<UsernameEntry>,
    /// Ids under which the account was known. The documentation does not state an order.
    #[serde(default)]
    pub id_history: Vec<IdEntry>,
    /// Counts and cost.
    pub meta: SearchMeta,
    /// The groups.
    #[serde(default)]
    pub groups: Vec<SearchGroup>,
}

/// The account that a [`Search`] found.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SearchUser {
    /// Telegram numeric id.
    pub id: i64,
    /// Current username, without `@`.
    pub username: Option<String>,
    /// First name; empty where the service sent null.
    #[serde(default)]
    pub first_name: String,
    /// Last name.
    pub last_name: Option<String>,
}

/// A username that an account had.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct UsernameEntry {
    /// The username, without `@`.
    #[serde(default)]
    pub username: String,
    /// When it was seen, exactly as sent: the documentation states no date format, so none is assumed.
    #[serde(default)]
    pub date: String,
}

/// An id under which an account was known.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IdEntry {
    /// The id. Documented as text; read from text or number, written as text.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = "^(?:0|-?[1-9][0-9]{0,18})$")))]
    pub id: i64,
    /// When it was seen, exactly as sent: the documentation states no date format, so none is assumed.
    #[serde(default)]
    pub date: String,
}

/// Counts and cost of a [`Search`].
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SearchMeta {
    /// The query as the service understood it.
    #[serde(default)]
    pub search_query: String,
    /// In how many groups the account is known to be.
    pub known_num_groups: u64,
    /// How many groups this answer lists.
    pub num_groups: u64,
    /// What this call cost, in credits.
    pub op_cost: u64,
}

/// A group that an account is known to be in.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SearchGroup {
    /// Telegram numeric id of the group. An older edition of the documentation does not list it, so it may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Username of the group, without `@`; private groups have none.
    pub username: Option<String>,
    /// Title of the group.
    #[serde(default)]
    pub title: String,
    /// When the service last saw this, exactly as sent: the documentation states no date format.
    #[serde(default)]
    pub date_updated: String,
}

impl SearchAnswer {
    /// Whether the service knows nothing about the account: no user, no groups, and no history of usernames or ids.
    ///
    /// An ordinary outcome that can cost credits. A user with id 0 counts as none.
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

// How each of them is read; where it differs from what is written stands in `lenient.rs`.

#[derive(Deserialize)]
#[serde(remote = "SearchAnswer")]
struct ReadAnswer {
    #[serde(default, deserialize_with = "known_user")]
    user: Option<SearchUser>,
    #[serde(default, deserialize_with = "null_as_empty")]
    username_history: Vec<UsernameEntry>,
    #[serde(default, deserialize_with = "null_as_empty")]
    id_history: Vec<IdEntry>,
    meta: SearchMeta,
    #[serde(default, deserialize_with = "list")]
    groups: Vec<SearchGroup>,
}

#[derive(Deserialize)]
#[serde(remote = "SearchUser")]
struct ReadUser {
    #[serde(deserialize_with = "whole")]
    id: i64,
    username: Option<String>,
    #[serde(default, deserialize_with = "null_as_empty")]
    first_name: String,
    last_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(remote = "UsernameEntry")]
struct ReadUsernameEntry {
    #[serde(default, deserialize_with = "null_as_empty")]
    username: String,
    #[serde(default, deserialize_with = "null_as_empty")]
    date: String,
}

#[derive(Deserialize)]
#[serde(remote = "IdEntry")]
struct ReadIdEntry {
    #[serde(deserialize_with = "whole")]
    id: i64,
    #[serde(default, deserialize_with = "null_as_empty")]
    date: String,
}

#[derive(Deserialize)]
#[serde(remote = "SearchMeta")]
struct ReadMeta {
    #[serde(default, deserialize_with = "echo")]
    search_query: String,
    #[serde(deserialize_with = "whole")]
    known_num_groups: u64,
    #[serde(deserialize_with = "whole")]
    num_groups: u64,
    #[serde(deserialize_with = "whole")]
    op_cost: u64,
}

#[derive(Deserialize)]
#[serde(remote = "SearchGroup")]
struct ReadGroup {
    #[serde(default, deserialize_with = "optional_whole")]
    id: Option<i64>,
    username: Option<String>,
    #[serde(default, deserialize_with = "null_as_empty")]
    title: String,
    #[serde(default, deserialize_with = "null_as_empty")]
    date_updated: String,
}

read_from_objects!(SearchAnswer by ReadAnswer, SearchUser by ReadUser, UsernameEntry by ReadUsernameEntry, IdEntry by ReadIdEntry, SearchMeta by ReadMeta, SearchGroup by ReadGroup);

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
    fn missing_lists_and_texts_read_as_empty() {
        let answer: SearchAnswer = serde_json::from_str(BARE).unwrap();
        assert_eq!(answer.user, Some(SearchUser { id: 1, ..SearchUser::default() }));
        assert_eq!((answer.groups.len(), answer.username_history.len(), answer.id_history.len()), (0, 0, 0));
        assert_eq!(Search::op_cost(&answer), Some(2));
    }

    #[test]
    fn null_lists_and_texts_read_as_empty() {
        let nulls = r#"{"user":{"id":1,"username":null,"first_name":null,"last_name":null},
            "username_history":null,"id_history":null,"groups":[{"id":-1001,"username":null,"title":null,"date_updated":null}],
            "meta":{"search_query":null,"known_num_groups":3,"num_groups":1,"op_cost":2}}"#;
        let answer: SearchAnswer = serde_json::from_str(nulls).unwrap();
        assert_eq!(answer.groups, [SearchGroup { id: Some(-1001), ..SearchGroup::default() }]);
        assert_eq!(answer.user.unwrap().username, None);
    }

    #[test]
    fn nothing_known_is_an_answer() {
        for nobody in [
            "",
            r#""user":null,"#,
            r#""user":{"id":0},"#,
            r#""user":{"id":0.0,"username":"","first_name":null,"last_name":null},"#,
        ] {
            let body = BARE.replace(r#""user":{"id":1},"#, nobody);
            let answer: SearchAnswer = serde_json::from_str(&body).expect(nobody);
            assert_eq!(answer.user, None, "{nobody}");
            assert!(answer.nothing_known(), "{nobody}");
            assert_eq!(Search::op_cost(&answer), Some(2));
            assert!(serde_json::to_string(&answer).unwrap().starts_with(r#"{"user":null,"#));
        }
        let body = BARE.replace(r#"{"id":1}"#, r#"{"id":0,"username":"alice"}"#);
        let named: SearchAnswer = serde_json::from_str(&body).unwrap();
        assert!(named.user.is_some() && named.nothing_known(), "what was sent is kept");

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
    fn a_group_without_id_reads() {
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
    fn whole_numbers_written_as_floats_or_texts_read() {
        let floats = r#"{"user":{"id":1.0},"groups":[{"id":-1.001e3}],"id_history":[{"id":7.0}],
            "meta":{"search_query":136817688,"known_num_groups":3e0,"num_groups":-0,"op_cost":2.0}}"#;
        let texts = r#"{"user":{"id":"1"},"groups":[{"id":"-1001"}],"id_history":[{"id":"7"}],
            "meta":{"search_query":"136817688","known_num_groups":"3","num_groups":"0","op_cost":"2"}}"#;
        for body in [floats, texts] {
            let answer: SearchAnswer = serde_json::from_str(body).unwrap();
            let meta = &answer.meta;
            assert_eq!((answer.groups[0].id, answer.id_history[0].id), (Some(-1001), 7), "{body}");
            assert_eq!((meta.known_num_groups, meta.num_groups, meta.op_cost), (3, 0, 2), "{body}");
            assert_eq!(
                (answer.user.unwrap().id, answer.meta.search_query.as_str()),
                (1, "136817688"),
                "{body}"
            );
        }
        for wrong in ["1.5", "-1.0", "1e300", "9007199254740992.0", "-1", "\"one\"", "true"] {
            let body = BARE.replace("2}", &format!("{wrong}}}"));
            serde_json::from_str::<SearchAnswer>(&body).expect_err(wrong);
        }
    }

    #[test]
    fn a_history_id_reads_from_number_or_text_and_writes_as_text() {
        for (text, id) in [(r#""12""#, 12), ("12", 12), ("-12", -12), (r#""-9223372036854775808""#, i64::MIN)]
        {
            let entry: IdEntry = serde_json::from_str(&format!(r#"{{"id":{text},"date":"x"}}"#)).unwrap();
            assert_eq!(entry.id, id);
            assert_eq!(serde_json::to_string(&entry).unwrap(), format!(r#"{{"id":"{id}","date":"x"}}"#));
        }
        for wrong in [r#""""#, r#""1.5""#, "1.5", "null", "true", "9223372036854775808", r#""x""#, "[]"] {
            let wrong = format!(r#"{{"id":{wrong},"date":"x"}}"#);
            let error = serde_json::from_str::<IdEntry>(&wrong).unwrap_err().to_string();
            assert!(error.contains("expected i64"), "{error}");
        }
    }

    #[test]
    fn missing_object_or_number_is_an_error() {
        for gone in [r#""id":1"#, r#""known_num_groups":3,"#, r#""num_groups":0,"#] {
            let body = BARE.replace(gone, "");
            assert_ne!(body, BARE, "{gone} is not in the sample");
            serde_json::from_str::<SearchAnswer>(&body).expect_err(gone);
        }
        serde_json::from_str::<SearchAnswer>(&BARE.replace(r#"{"id":1}"#, "7"))
            .expect_err("a user of a number");
        serde_json::from_str::<SearchAnswer>(&BARE.replace("2}", "null}")).expect_err("a null cost");
    }

    #[test]
    fn tells_the_answer_of_another_query() {
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
