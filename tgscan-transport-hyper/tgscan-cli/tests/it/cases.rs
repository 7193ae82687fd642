//! Accounts with groups that the tests know, as output files and as stored answers.

use serde_json::{Value, json};
use tgscan_mock::Expect;
use tgscan_mock::types::{ApiMethod, Search, SearchAnswer};

use crate::support::Bench;

/// An account in the form of an answer: the groups are numbers.
pub(crate) fn answer(name: &str, id: i64, groups: &[i64]) -> Value {
    let group = |number: &i64| {
        json!({
            "id": -1_000_000 - number,
            "title": format!("Group {number}"),
            "username": if number % 3 == 0 { Value::Null } else { format!("group_{number}").into() },
            "date_updated": format!("2026-01-{:02}", 1 + number % 28),
        })
    };
    let groups: Vec<Value> = groups.iter().map(group).collect();
    json!({
        "user": {"id": id, "username": name, "first_name": "First", "last_name": null},
        "username_history": [],
        "id_history": [],
        "meta": {"search_query": name, "known_num_groups": groups.len(), "num_groups": groups.len(), "op_cost": 2},
        "groups": groups,
    })
}

/// A line of an output file.
pub(crate) fn line(account: &str, answer: &Value) -> String {
    let row = json!({"account": account, "method": "search", "found": !answer.is_null(), "credits": 2, "stored": false, "answer": answer});
    format!("{row}\n")
}

/// Searches these accounts, each with these groups, and keeps the answers in the store.
pub(crate) fn store(bench: &Bench, accounts: &[(&str, i64, &[i64])]) {
    for (name, id, groups) in accounts {
        let answer: SearchAnswer = serde_json::from_value(answer(name, *id, groups)).unwrap();
        let query = Search { query: name.parse().unwrap() };
        assert!(query.is_answered_by(&answer));
        bench.mock.expect(Expect::<Search>::call(&query).then_answer(answer).repeated());
    }
    bench.expect(Expect::<Search>::any().at_least(1));
    for (name, ..) in accounts {
        let ran = bench.run_stored(&["search", name, "--quiet"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}
