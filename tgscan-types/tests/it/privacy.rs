//! `Debug` of requests and answers prints no query, name or id.

use tgscan_types::{
    Envelope, GroupQuery, Search, SearchAnswer, SimilarGroups, SimilarGroupsAnswer, UserCheck,
    UserCheckAnswer, UserQuery,
};

const NAME: &str = "very_private_name";
const ID: &str = "7034259912";

fn hidden(name: &str, debug: &str) {
    assert!(!debug.trim().is_empty(), "{name} prints nothing");
    assert!(!debug.contains(NAME) && !debug.contains(ID), "{name} shows personal data: {debug}");
}

macro_rules! assert_hidden {
    ($($value:expr),+ $(,)?) => {$(
        hidden(stringify!($value), &format!("{:?} {:#?}", $value, $value));
    )+};
}

#[test]
fn requests_do_not_show_their_query() {
    let name: UserQuery = NAME.parse().unwrap();
    let id: UserQuery = ID.parse().unwrap();
    let groups: GroupQuery = NAME.parse().unwrap();
    let (UserQuery::Username(username), UserQuery::Id(user_id)) = (&name, &id) else { panic!() };
    assert_hidden!(name, id, groups, username, user_id);
    assert_eq!(format!("{name:?} {groups:?}"), "UserQuery(<hidden>) GroupQuery(<hidden>)");
    assert_hidden!(
        Search { query: name.clone() },
        Search { query: id.clone() },
        UserCheck { query: id.clone() }
    );
    assert_hidden!(SimilarGroups { query: groups.clone() });
}

#[test]
fn the_error_does_not_contain_the_query() {
    let long = NAME.repeat(3);
    for wrong in [
        format!("{NAME} x"),
        format!("{NAME}-"),
        format!("{NAME}_"),
        format!("_{NAME}"),
        long,
        format!("-{ID}"),
        format!("+{ID}"),
        format!("0{ID}"),
        format!("{ID}{ID}{ID}"),
        format!("t.me/+{ID}"),
        format!("t.me/{ID}"),
        format!("t.me/joinchat/{NAME}"),
        format!("https://example.com/{NAME}"),
    ] {
        let error = wrong.parse::<UserQuery>().unwrap_err();
        hidden("InvalidQuery", &format!("{error:?} {error:#?} {error}"));
        let error = serde_json::from_str::<UserQuery>(&format!("\"{wrong}\"")).unwrap_err();
        hidden("the error of Deserialize", &format!("{error:?} {error}"));
    }
}

#[test]
fn answers_do_not_show_personal_data() {
    let text = format!(
        r#"{{"user":{{"id":{ID},"username":"{NAME}","first_name":"{NAME}","last_name":"{NAME}"}},
        "username_history":[{{"username":"{NAME}","date":"{NAME}"}}],"id_history":[{{"id":"{ID}","date":"x"}}],
        "meta":{{"search_query":"{NAME}","known_num_groups":1,"num_groups":1,"op_cost":1}},
        "groups":[{{"id":{ID},"username":"{NAME}","title":"{NAME}","date_updated":"{NAME}"}}]}}"#
    );
    let search: SearchAnswer = serde_json::from_str(&text).unwrap();
    assert_hidden!(
        search,
        search.user,
        search.username_history,
        search.id_history,
        search.meta,
        search.groups
    );
    assert_hidden!(Envelope::Ok(search.clone()));
    assert_eq!(
        format!("{search:?}"),
        "SearchAnswer { username_history: 1, id_history: 1, meta: SearchMeta { known_num_groups: 1, \
         num_groups: 1, op_cost: 1, .. }, groups: 1, .. }"
    );

    let text = format!(
        r#"{{"meta":{{"search_query":["{NAME}"],"op_cost":1}},
        "groups":[{{"username":"{NAME}","title":"{NAME}","num_users":1}}]}}"#
    );
    let similar: SimilarGroupsAnswer = serde_json::from_str(&text).unwrap();
    assert_hidden!(similar, similar.meta, similar.groups);

    let text = format!(
        r#"{{"user":{{"username":true,"first_name":true,"last_name":true}},
        "meta":{{"search_query":"{NAME}","known_num_groups":1,"op_cost":0}}}}"#
    );
    let check: UserCheckAnswer = serde_json::from_str(&text).unwrap();
    assert_hidden!(check, check.meta, check.user);

    let error: Envelope<UserCheckAnswer> =
        serde_json::from_str(&format!(r#"{{"status":"error","result":{{"message":"{NAME}"}}}}"#)).unwrap();
    assert_hidden!(error);
}
