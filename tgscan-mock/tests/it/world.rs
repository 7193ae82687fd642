//! One world per seed: a person or a group is the same for every method and client.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Mutex;

use futures_executor::block_on;
use tgscan_mock::types::{Reveal, Search, SearchAnswer};
use tgscan_mock::{Client, Mock, MockBuilder, UnknownAccounts};

use crate::support::{answer, post};

fn builder() -> MockBuilder {
    Mock::builder().seed(7).credits(100_000_000)
}

fn search(client: &Client, query: &str) -> SearchAnswer {
    let mut answer = block_on(client.search(query)).unwrap().answer;
    // Only the repeated query differs.
    answer.meta.search_query.clear();
    answer
}

/// Finds a person in every way, and returns the common answer.
fn person(client: &Client, id: i64) -> SearchAnswer {
    let by_id = search(client, &id.to_string());
    let user = by_id.user.clone().unwrap();
    assert_eq!(user.id, id);
    let mut queries = vec![id.to_string()];
    if let Some(username) = user.username.clone() {
        for name in [username.to_uppercase(), username] {
            assert_eq!(search(client, &name).reveal(), by_id.reveal(), "{name}");
            queries.push(name);
        }
    }
    for query in queries {
        let check = block_on(client.user_check(query.as_str())).unwrap().answer;
        let known = check.user.unwrap();
        assert_eq!(check.meta.known_num_groups, by_id.meta.known_num_groups, "{query}");
        assert_eq!(
            (known.username, known.last_name),
            (user.username.is_some(), user.last_name.is_some()),
            "{query}"
        );
    }
    by_id
}

#[test]
fn people_and_groups_are_the_same_for_every_method_and_client() {
    let mock = builder().build().unwrap();
    let groups: Mutex<HashMap<i64, (Option<String>, String)>> = Mutex::default();
    std::thread::scope(|scope| {
        for part in 0..64 {
            let (client, groups) = (mock.client(), &groups);
            scope.spawn(move || {
                for id in (100_000 + part..110_000).step_by(64) {
                    let answer = person(&client, id);
                    let mut groups = groups.lock().unwrap();
                    for group in answer.groups {
                        let (name, title) = (group.username, group.title);
                        let known =
                            groups.entry(group.id.unwrap()).or_insert_with(|| (name.clone(), title.clone()));
                        assert_eq!(*known, (name, title));
                    }
                }
            });
        }
    });
    for id in [1, 9_999_999_999_999_999, i64::MAX] {
        person(&mock.client(), id);
    }
    // And after a restart, and over a socket.
    let again = builder().build().unwrap();
    for id in (100_000..110_000).step_by(100) {
        assert_eq!(person(&again.client(), id).reveal(), person(&mock.client(), id).reveal());
    }
    let groups = groups.into_inner().unwrap();
    let mut ids_by_name: HashMap<&str, i64> = HashMap::new();
    for (id, (username, _)) in &groups {
        if let Some(username) = username {
            assert_eq!(ids_by_name.insert(username, *id), None, "{username} is one group's");
        }
    }
}

#[test]
fn a_callers_username_is_one_person_who_is_found_by_id() {
    let client = builder().build().unwrap().client();
    let by_name = search(&client, "Some_Username");
    let user = by_name.user.clone().unwrap();
    assert_eq!(user.username.as_deref(), Some("some_username"));
    for query in ["some_username", "@SOME_USERNAME", &user.id.to_string()] {
        assert_eq!(search(&client, query).reveal(), by_name.reveal());
    }
    // Before a search by name, the id is the same person with the username of the world.
    let restarted = search(&builder().build().unwrap().client(), &user.id.to_string());
    assert_eq!(restarted.groups.reveal(), by_name.groups.reveal());
    assert_ne!(restarted.user.unwrap().username, user.username);
}

#[test]
fn similar_groups_have_members_and_come_in_order() {
    let client = builder().build().unwrap().client();
    let mut titles: HashMap<String, String> = HashMap::new();
    for id in 100_000..103_000 {
        for group in search(&client, &id.to_string()).groups {
            titles.extend(group.username.map(|username| (username, group.title)));
        }
    }
    let (mut seen, mut largest) = (0, 0);
    for number in 0..300 {
        let answer = block_on(client.similar_groups(format!("some_group{number}"))).unwrap().answer;
        assert!(answer.groups.is_sorted_by(|a, b| a.num_users >= b.num_users));
        largest = largest.max(answer.groups.len());
        for group in answer.groups {
            if let Some(title) = titles.get(&group.username) {
                assert_eq!(*title, group.title);
                seen += 1;
            }
        }
    }
    assert!(seen > 100 && largest > 40, "{seen} {largest}");
}

#[test]
fn dates_end_with_today_and_come_in_order() {
    let client = builder().today("2017-05-04").build().unwrap().client();
    let mut latest = String::new();
    for id in 100_000..101_000 {
        let answer = search(&client, &id.to_string());
        assert!(answer.groups.is_sorted_by(|a, b| a.date_updated >= b.date_updated));
        assert!(answer.username_history.is_sorted_by(|a, b| a.date >= b.date));
        let dates = answer.groups.into_iter().map(|group| group.date_updated);
        latest =
            dates.chain(answer.username_history.into_iter().map(|entry| entry.date)).fold(latest, Ord::max);
    }
    assert_eq!(latest, "2017-05-04");
    for wrong in ["", "2015-12-31", "4.5.2017", "2017-02-29", "2026-1-1", "99999-01-01", "２０２６-01-01"]
    {
        let error = builder().today(wrong).build().unwrap_err().to_string();
        assert!(error.contains("use a date from 2016-01-01 on"), "{error}");
    }
}

#[test]
fn unknown_accounts_are_unknown_to_every_method() {
    for unknown in [UnknownAccounts::Blank, UnknownAccounts::Error] {
        let mock = builder().unknown_accounts(20, unknown).cost::<Search>(1).build().unwrap();
        let client = mock.client();
        let mut count = 0;
        for id in 100_000..101_000 {
            let search = block_on(client.search(id.to_string())).map(|reply| reply.answer.nothing_known());
            let check = block_on(client.user_check(id.to_string())).map(|reply| reply.answer.nothing_known());
            match (search, check) {
                (Ok(one), Ok(other)) => {
                    assert_eq!(one, other);
                    count += u32::from(one);
                }
                (Err(one), Err(other)) => {
                    assert_eq!((one.status(), other.status()).0.unwrap().as_u16(), 404);
                    count += 1;
                }
                both => panic!("{both:?}"),
            }
        }
        assert!((150..250).contains(&count), "{count}");
        let spent = mock.account().spent;
        assert_eq!(spent, if unknown == UnknownAccounts::Blank { 1000 } else { u64::from(1000 - count) });
    }
    assert!(builder().unknown_accounts(101, UnknownAccounts::Blank).build().is_err());
}

#[test]
fn cost_grows_with_the_number_of_groups() {
    let mock = builder().build().unwrap();
    let mut dearest = 0;
    for id in 100_000..101_000 {
        let before = mock.account().spent;
        let answer = search(&mock.client(), &id.to_string());
        assert_eq!(answer.meta.op_cost, 1 + answer.meta.num_groups / 50);
        assert_eq!(mock.account().spent - before, answer.meta.op_cost);
        dearest = dearest.max(answer.meta.op_cost);
    }
    assert!(dearest > 5, "{dearest}");
}

#[test]
fn forms_with_another_content_type_are_read_unless_strict() {
    let mut request = post("/search", Mock::LIVE_KEY, "query=alice");
    request.headers_mut().insert("content-type", "text/plain;charset=UTF-8".parse().unwrap());
    assert_eq!(answer(&builder().build().unwrap(), &request).status(), 200);
    assert_eq!(answer(&builder().strict().build().unwrap(), &request).status(), 415);
}

#[test]
fn like_service_sends_errors_with_200_and_ids_as_numbers() {
    let mock = builder().like_service().build().unwrap();
    assert_eq!(answer(&mock, &post("/search", "wrong", "query=alice")).status(), 200);
    let (mut numbers, documented) = (0, builder().build().unwrap());
    for id in 100_000..100_200 {
        let body = post("/search", Mock::LIVE_KEY, format!("query={id}"));
        let (like, as_documented) =
            (answer(&mock, &body).into_body(), answer(&documented, &body).into_body());
        let read = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).unwrap();
        let (like, as_documented) = (read(&like), read(&as_documented));
        for (one, other) in std::iter::zip(
            like["result"]["id_history"].as_array().unwrap(),
            as_documented["result"]["id_history"].as_array().unwrap(),
        ) {
            assert_eq!(one["id"].as_i64().unwrap().to_string(), other["id"].as_str().unwrap());
            numbers += 1;
        }
        assert_eq!(like["result"]["groups"], as_documented["result"]["groups"]);
    }
    assert!(numbers > 50, "{numbers}");
    block_on(mock.client().search("alice")).unwrap();
}

/// The table in the documentation of the data. `UPDATE_SNAPSHOTS=yes cargo test` updates it.
#[test]
fn shapes_are_as_documented() {
    const PEOPLE: usize = 10_000;
    let client = builder().build().unwrap().client();
    let answers: Vec<_> = (100_000..).take(PEOPLE).map(|id: i64| search(&client, &id.to_string())).collect();
    let mut table =
        String::from("| of 10,000 people | median | 90% | 99% | maximum |\n|---|---|---|---|---|\n");
    let mut row = |label: &str, mut numbers: Vec<u64>| {
        numbers.sort_unstable();
        let [half, nine, many] = [50, 90, 99].map(|percent| numbers[PEOPLE * percent / 100]);
        writeln!(table, "| {label} | {half} | {nine} | {many} | {} |", numbers[PEOPLE - 1]).unwrap();
    };
    row("groups that a search lists", answers.iter().map(|answer| answer.meta.num_groups).collect());
    row("groups that are known", answers.iter().map(|answer| answer.meta.known_num_groups).collect());
    row("former usernames", answers.iter().map(|answer| answer.username_history.len() as u64).collect());
    let share = |label: &str, has: &dyn Fn(&SearchAnswer) -> bool| {
        format!("{} % {label}", answers.iter().filter(|answer| has(answer)).count() * 100 / PEOPLE)
    };
    let groups: Vec<_> = answers.iter().flat_map(|answer| &answer.groups).collect();
    let unnamed = groups.iter().filter(|group| group.username.is_none()).count() * 100 / groups.len();
    let text = format!(
        "{table}\n{}, {}; {unnamed} % of their groups have no username. Each account is known, and a \
         search costs 1 credit and one more for each 50 groups that it lists, unless `unknown_accounts` or `cost` \
         change that.\n",
        share("have no username", &|answer| answer.user.as_ref().unwrap().username.is_none()),
        share("have no last name", &|answer| answer.user.as_ref().unwrap().last_name.is_none()),
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/data/shapes.md");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

/// Tests of users contain seeds.
#[test]
fn the_data_of_a_seed_stays_the_same() {
    let id = |seed| {
        let mock = Mock::builder().seed(seed).build().unwrap();
        block_on(mock.client().search("alice")).unwrap().answer.user.unwrap().id
    };
    assert_eq!([id(0), id(7)], [7_310_171_866, 8_303_536_819]);
}
