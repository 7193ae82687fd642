//! The strategies: legal, consistent, shrinking.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tgscan_mock::data::{Generate, GenerateVisitor, Profile, Terms, sample};
use tgscan_mock::types::{Search, SimilarGroups};
use tgscan_mock::visit_all;

#[test]
fn every_answer_and_request_reads_back_as_itself() {
    struct RoundTrip;
    impl GenerateVisitor for RoundTrip {
        fn visit<M: Generate>(&mut self) {
            for seed in 0..200 {
                for profile in [Profile::Typical, Profile::Hostile] {
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

#[test]
fn hostile_data_is_hostile() {
    let answers: Vec<_> = (0..300).map(|seed| sample(&Search::answers(Profile::Hostile), seed)).collect();
    assert!(answers.iter().any(|answer| answer.groups.is_empty()));
    assert!(answers.iter().any(|answer| answer.groups.len() > 100));
    assert!(answers.iter().any(|answer| answer.user.id == i64::MIN));
    assert!(answers.iter().any(|answer| answer.groups.iter().any(|group| group.title.contains('\u{202e}'))));
    let similar: Vec<_> =
        (0..50).map(|seed| sample(&SimilarGroups::answers(Profile::Hostile), seed)).collect();
    assert!(similar.iter().flat_map(|answer| &answer.groups).any(|group| group.num_users == u64::MAX));
}

#[test]
fn answers_shrink_to_the_simplest() {
    let mut tree = Search::answers(Profile::Typical).new_tree(&mut TestRunner::deterministic()).unwrap();
    while tree.simplify() {}
    let simplest = tree.current();
    assert!(simplest.groups.is_empty() && simplest.username_history.is_empty());
    assert_eq!((simplest.user.username, simplest.user.last_name), (None, None));
    assert_eq!(simplest.user.first_name.chars().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_agree_and_the_query_is_echoed(
        request in Search::requests(), profile in prop_oneof![Just(Profile::Typical), Just(Profile::Hostile)], seed: u64,
    ) {
        let mut answer = sample(&Search::answers(profile), seed);
        request.fit(&mut answer, &Terms::new(4, 9));
        prop_assert_eq!(usize::try_from(answer.meta.num_groups).unwrap(), answer.groups.len());
        prop_assert!(answer.meta.num_groups <= answer.meta.known_num_groups);
        prop_assert_eq!(answer.meta.op_cost, 4);
        let form = serde_html_form::to_string(&request).unwrap();
        prop_assert_eq!(form, format!("query={}", answer.meta.search_query));
    }
}
