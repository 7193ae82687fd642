//! The strategies: valid, consistent and shrinking data.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde::Serialize;
use serde_json::{Value, json};
use tgscan_mock::data::visit_all;
use tgscan_mock::data::{Generate, GenerateVisitor, Profile, sample};
use tgscan_mock::types::{Revealed, Search, SimilarGroups};

#[test]
fn every_answer_and_request_round_trips() {
    struct RoundTrip;
    impl GenerateVisitor for RoundTrip {
        fn visit<M: Generate>(&mut self) {
            for seed in 0..200 {
                for profile in [Profile::Typical, Profile::Extreme, Profile::Undocumented] {
                    let written = serde_json::to_string(&sample(&M::answers(profile), seed)).unwrap();
                    let read: M::Answer = serde_json::from_str(&written).unwrap();
                    assert_eq!(serde_json::to_string(&read).unwrap(), written, "{} seed {seed}", M::NAME);
                }
                let form = serde_html_form::to_string(sample(&M::requests(), seed)).unwrap();
                let read: M = serde_html_form::from_str(&form).unwrap();
                assert_eq!(serde_html_form::to_string(&read).unwrap(), form, "{} seed {seed}", M::NAME);
            }
        }
    }
    visit_all(&mut RoundTrip);
}

/// Collects the texts and ids of a value, which its `Debug` must not show.
fn personal(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        // As `Debug` would print it, so that a text does not match the name of a field.
        Value::String(text) => found.push(format!("{text:?}")),
        Value::Number(id) if key.split('_').any(|word| word == "id") => found.push(id.to_string()),
        Value::Array(items) => items.iter().for_each(|item| personal(item, key, found)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| personal(value, key, found)),
        _ => {}
    }
}

fn assert_hidden(value: &(impl Debug + Serialize)) -> usize {
    let mut found = Vec::new();
    personal(&serde_json::to_value(value).unwrap(), "", &mut found);
    let printed = format!("{value:?} {value:#?}");
    for personal in &found {
        assert!(!printed.contains(personal), "`Debug` shows {personal}: {printed}");
    }
    found.len()
}

#[test]
fn debug_of_requests_and_answers_shows_no_text_or_id() {
    struct Hidden(usize);
    impl GenerateVisitor for Hidden {
        fn visit<M: Generate>(&mut self) {
            for seed in 0..50 {
                self.0 += assert_hidden(&sample(&M::answers(Profile::Typical), seed));
                self.0 += assert_hidden(&sample(&M::requests(), seed));
            }
        }
    }
    let mut hidden = Hidden(0);
    visit_all(&mut hidden);
    assert!(hidden.0 > 1_000, "{} texts and ids were checked", hidden.0);
}

#[test]
fn extreme_data_is_extreme() {
    let answers: Vec<_> = (0..300).map(|seed| sample(&Search::answers(Profile::Extreme), seed)).collect();
    assert!(answers.iter().any(|answer| answer.groups.is_empty()));
    assert!(answers.iter().any(|answer| answer.groups.len() > 100));
    assert!(answers.iter().any(|answer| answer.user.as_ref().is_some_and(|user| user.id == i64::MIN)));
    assert!(answers.iter().any(|answer| answer.groups.iter().any(|group| group.title.contains('\u{202e}'))));
    let similar: Vec<_> =
        (0..50).map(|seed| sample(&SimilarGroups::answers(Profile::Extreme), seed)).collect();
    assert!(similar.iter().flat_map(|answer| &answer.groups).any(|group| group.num_users == u64::MAX));
}

#[test]
fn answers_shrink_to_the_simplest() {
    let mut tree = Search::answers(Profile::Typical).new_tree(&mut TestRunner::deterministic()).unwrap();
    while tree.simplify() {}
    let simplest = tree.current();
    assert!(simplest.groups.is_empty() && simplest.username_history.is_empty());
    let user = simplest.user.unwrap();
    assert_eq!((user.username, user.last_name), (None, None));
    assert_eq!(user.first_name, "Anna");
}

#[test]
fn failing_answers_shrink_to_a_minimal_failure() {
    let mut runner = TestRunner::deterministic();
    let mut trees = (0..100).map(|_| Search::answers(Profile::Typical).new_tree(&mut runner).unwrap());
    let mut tree = trees.find(|tree| tree.current().groups.len() > 20).unwrap();
    // As proptest does for a test that fails with two groups.
    let mut is_going_on = true;
    while is_going_on {
        is_going_on = if tree.current().groups.len() >= 2 { tree.simplify() } else { tree.complicate() };
    }
    let minimal = tree.current();
    assert_eq!((minimal.groups.len(), minimal.meta.num_groups, minimal.meta.known_num_groups), (2, 2, 2));
    for group in &minimal.groups {
        let expected = json!({"id": 1_000_000_000, "username": null, "title": "Book club", "date_updated": "2016-01-01"});
        assert_eq!(serde_json::to_value(group).unwrap(), expected);
    }
    assert_eq!(minimal.meta.search_query, "100000");
}

#[test]
fn proptest_shows_the_texts_of_a_revealed_failure() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let answers = Search::answers(Profile::Typical).prop_map(Revealed);
    let failure = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&answers, |Revealed(answer)| {
            prop_assert!(answer.groups.len() < 2);
            Ok(())
        })
        .unwrap_err();
    assert!(failure.to_string().contains(r#""title": "Book club""#), "{failure}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_agree_and_the_query_is_echoed(
        request in Search::requests(), profile in prop_oneof![Just(Profile::Typical), Just(Profile::Extreme)], seed: u64,
    ) {
        let mut answer = sample(&Search::answers(profile), seed);
        request.apply_billing(&mut answer, 4, 9);
        prop_assert_eq!(usize::try_from(answer.meta.num_groups).unwrap(), answer.groups.len());
        prop_assert!(answer.meta.num_groups <= answer.meta.known_num_groups);
        prop_assert_eq!(answer.meta.op_cost, 4);
        let form = serde_html_form::to_string(&request).unwrap();
        prop_assert_eq!(form, format!("query={}", answer.meta.search_query));
    }
}
