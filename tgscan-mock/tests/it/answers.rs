//! The mock's answers and charges.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_executor::block_on;
use http::{HeaderValue, Request};
use tgscan_mock::core::{Credits, Transport, transport::TransportErrorKind};
use tgscan_mock::data::{Generate, GenerateVisitor, Profile, sample};
use tgscan_mock::types::{Search, SimilarGroups, UserQuery};
use tgscan_mock::{FaultKind, KeyKind, Mock, Repeat, data::visit_all, types};

use crate::support::{answer, message, post, seven_urls};

fn user(text: &str) -> UserQuery {
    text.parse().unwrap()
}

#[test]
fn all_seven_urls_answer_in_every_profile() {
    for profile in [Profile::Typical, Profile::Extreme, Profile::Undocumented] {
        for seed in 0..20 {
            let mock = Mock::builder().seed(seed).profile(profile).build().unwrap();
            let requests = seven_urls(&mock);
            let paths: BTreeSet<&str> = requests.iter().map(|request| request.uri().path()).collect();
            let known =
                types::registry::infos().iter().flat_map(|m| [Some(m.path), m.test_path]).flatten().count();
            assert_eq!(paths.len(), known);
            for request in &requests {
                let response = answer(&mock, request);
                assert_eq!(response.status(), 200, "{}", request.uri());
                assert_eq!(response.headers()["content-type"], "application/json");
            }
        }
    }
}

#[test]
fn unusual_answers_read_as_the_client_expects() {
    block_on(async {
        for seed in 0..300 {
            let mock = Mock::builder().seed(seed).profile(Profile::Undocumented).build().unwrap();
            for client in [mock.client(), mock.test_client()] {
                let search = client.search(user("some_username")).await.unwrap();
                assert_eq!(search.answer.meta.search_query, "some_username");
                assert_eq!(search.answer.meta.num_groups, u64::try_from(search.answer.groups.len()).unwrap());
                client.search(user("77")).await.unwrap();
                client
                    .similar_groups("alice,bobby".parse::<tgscan_mock::types::GroupQuery>().unwrap())
                    .await
                    .unwrap();
                client.user_check(user("some_username")).await.unwrap();
                client.balance().await.unwrap();
            }
        }
    });
}

#[test]
fn answers_depend_only_on_seed_and_query() {
    let answers = |seed, order: &dyn Fn(&mut Vec<Request<Bytes>>)| {
        let mock = Mock::builder().seed(seed).build().unwrap();
        let mut requests = seven_urls(&mock);
        requests.retain(|request| !request.uri().path().ends_with("balance"));
        order(&mut requests);
        let ask = |request: &Request<Bytes>| (request.uri().clone(), answer(&mock, request).into_body());
        let mut answers: Vec<(http::Uri, Bytes)> = requests.iter().map(ask).collect();
        answers.sort_by_key(|(uri, body)| (uri.to_string(), body.clone()));
        answers
    };
    let forward = answers(7, &|_| {});
    assert_eq!(forward, answers(7, &|requests| requests.reverse()));
    assert_eq!(forward, answers(7, &|requests| requests.rotate_left(9)));
    assert_ne!(forward, answers(8, &|_| {}));
}

#[test]
fn a_repeated_query_gets_the_same_answer_unless_varied() {
    let mocks = [Repeat::Same, Repeat::Varied, Repeat::Varied]
        .map(|repeat| Mock::builder().seed(7).repeat(repeat).build().unwrap());
    let queries = [("/user/check", "alice"), ("/search", "alice"), ("/search", "bobby")];
    let ask = |mock, index: usize| {
        let (path, query) = queries[index % 3];
        let response = answer(mock, &post(path, Mock::LIVE_KEY, format!("query={query}")));
        (index % 3, response.into_body())
    };
    let [same, varied, reordered] = &mocks;
    let first: BTreeSet<_> = (0..3).map(|index| ask(same, index)).collect();
    assert_eq!((0..30).map(|index| ask(same, index)).collect::<BTreeSet<_>>(), first);
    let all: BTreeSet<_> = (0..30).map(|index| ask(varied, index)).collect();
    assert!(all.is_superset(&first) && all.len() == 30, "{} different answers", all.len());
    // Each depends only on how often its own query was asked.
    assert_eq!((0..30).map(|index| ask(reordered, index / 10)).collect::<BTreeSet<_>>(), all);
}

#[test]
fn a_refused_call_does_not_change_the_next_varied_answer() {
    let [refused, fresh] =
        [0, 1000].map(|credits| Mock::builder().repeat(Repeat::Varied).credits(credits).build().unwrap());
    let ask = |mock: &Mock| answer(mock, &post("/search", Mock::LIVE_KEY, "query=alice"));
    assert_eq!(ask(&refused).status(), 402);
    refused.set_credits(1000);
    for _ in 0..3 {
        assert_eq!(ask(&refused).body(), ask(&fresh).body());
    }
}

#[test]
fn varied_answers_are_charged_what_they_state() {
    let mock = Mock::builder().repeat(Repeat::Varied).credits(1_000_000).build().unwrap();
    let (client, query) = (mock.client(), "alice".parse::<UserQuery>().unwrap());
    let costs: Vec<u64> = (0..100)
        .map(|_| {
            let reply = block_on(client.search(query.clone())).unwrap();
            assert_eq!(reply.credits, Credits::Charged(reply.answer.meta.op_cost));
            reply.answer.meta.op_cost
        })
        .collect();
    assert_eq!((mock.account().spent, mock.account().charged_calls), (costs.iter().sum(), 100));
    assert!(costs.iter().any(|cost| *cost > 1), "{costs:?}");
}

#[test]
fn the_account_is_charged_the_stated_costs() {
    block_on(async {
        let expensive = Search { query: user("expensive") };
        let mock = Mock::builder()
            .credits(50)
            .cost::<Search>(3)
            .cost::<SimilarGroups>(5)
            .cost_of(&expensive, 11)
            .build()
            .unwrap();
        let client = mock.client();
        assert_eq!(client.search(user("cheap")).await.unwrap().credits, Credits::Charged(3));
        assert_eq!(client.send(expensive).await.unwrap().credits, Credits::Charged(11));
        let groups = "alice".parse::<tgscan_mock::types::GroupQuery>().unwrap();
        assert_eq!(client.similar_groups(groups.clone()).await.unwrap().credits, Credits::Charged(5));
        assert_eq!(client.user_check(user("cheap")).await.unwrap().credits, Credits::NotCharged);
        assert_eq!(mock.test_client().similar_groups(groups).await.unwrap().credits, Credits::NotCharged);
        let account = mock.account();
        assert_eq!((account.credits, account.spent, account.granted, account.charged_calls), (31, 19, 50, 3));
        assert_eq!(client.balance().await.unwrap().answer.num_credits, 31);
        assert_eq!(client.ledger().book().totals().charged, 19);
        mock.set_credits(100);
        let account = mock.account();
        assert_eq!(account.granted - i64::try_from(account.spent).unwrap(), account.credits);
    });
}

#[test]
fn free_and_test_methods_need_credits_but_take_none() {
    block_on(async {
        let mock = Mock::builder().credits(0).build().unwrap();
        let (live, test) = (mock.client(), mock.test_client());
        for error in [
            live.search(user("alice")).await.unwrap_err(),
            live.user_check(user("alice")).await.unwrap_err(),
            test.search(user("alice")).await.unwrap_err(),
            test.user_check(user("alice")).await.unwrap_err(),
        ] {
            assert!(error.is_api(), "{error}");
            assert!(error.message().unwrap().starts_with("not enough credits: the balance is 0"), "{error}");
        }
        assert_eq!(live.balance().await.unwrap().answer.num_credits, 0);
        assert_eq!(test.balance().await.unwrap().answer.num_credits, 0);
    });
}

#[test]
fn requests_are_recorded_without_keys_up_to_a_limit() {
    let mock = Mock::new();
    answer(&mock, &post("/search", Mock::LIVE_KEY, "query=alice"));
    answer(&mock, &post("/search", "wrong-key", "query=alice"));
    let requests = mock.requests();
    assert_eq!(
        (requests[0].method, requests[0].form.as_str(), requests[0].charged),
        (Some("search"), "query=alice", 1)
    );
    let refused = &requests[1];
    assert_eq!((refused.status, refused.charged), (Some(401), 0));
    assert_eq!((refused.method, refused.form.as_str()), (Some("search"), "query=alice"), "method and form");
    assert_eq!(refused.key, None);
    answer(&mock, &post("/nowhere", Mock::TEST_KEY, "query=alice"));
    let mut get = post("/search", Mock::LIVE_KEY, "query=alice");
    *get.method_mut() = http::Method::GET;
    answer(&mock, &get);
    let refused = mock.requests().split_off(2);
    let [nowhere, get] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((nowhere.status, nowhere.key), (Some(404), Some(KeyKind::Test)));
    assert!(nowhere.path.ends_with("/nowhere") && nowhere.form.is_empty());
    assert_eq!((get.status, get.key), (Some(405), Some(KeyKind::Live)));
    assert!(!format!("{requests:?} {mock:?}").contains("key-"));
    for _ in 0..1500 {
        answer(&mock, &post("/balance", Mock::LIVE_KEY, ""));
    }
    assert_eq!((mock.requests().len(), mock.dropped_requests()), (1000, 504));
}

#[test]
fn a_key_in_the_wrong_place_is_not_recorded() {
    let mock = Mock::builder().live_key("own-live-key").revoked_key("old-live-key").build().unwrap();
    let mut request = post("/search?key=old-live-key", "own-live-key", "query=alice&key=own-live-key");
    request.headers_mut().insert("authorization", "Bearer own-live-key".parse().unwrap());
    answer(&mock, &request);
    answer(&mock, &post("/own-live-key", "wrong", ""));
    let requests = mock.requests();
    assert!(!format!("{requests:?}").contains("live-key"), "{requests:?}");
    assert_eq!(requests[0].headers["authorization"], "Bearer (an API key)");
    assert_eq!(requests[0].url_query.as_deref(), Some("key=(an API key)"));
}

#[test]
fn a_key_in_an_unusual_form_is_not_recorded() {
    let builder = Mock::builder().live_key("abcd").test_key("abcd-def").revoked_key("own/key").strict();
    let mock = builder.build().unwrap();
    let send = |path: &str, header: &[u8], body: &'static str| {
        let mut request = post(path, "abcd", body);
        request.headers_mut().insert("x-copy", http::HeaderValue::from_bytes(header).unwrap());
        answer(&mock, &request);
        mock.requests().pop().unwrap()
    };
    let record = send("/search?a=abcd-def&b=own%2Fkey&c=%61bcd%3dabcd", b"\xe9 own/key \xe9", "query=abcd");
    assert_eq!(
        record.url_query.as_deref(),
        Some("a=(an API key)&b=(an API key)&c=(an API key)%3d(an API key)")
    );
    assert_eq!(record.headers["x-copy"].as_bytes(), b"\xe9 (an API key) \xe9");
    assert_eq!(record.form, "query=(an API key)");
    // The key is only a part of these words.
    let record = send("/search?abcde=xabcd", b"abcde", "query=abcde");
    assert_eq!((record.url_query.as_deref(), record.form.as_str()), (Some("abcde=xabcd"), "query=abcde"));
    assert_eq!(record.headers["x-copy"], "abcde");
    // A refusal repeats a part of the request, and so does a mismatch.
    let refused = send("/search", b"", "query=alice&own%2Fkey=1").refusal.unwrap();
    assert!(refused.contains("one argument too many: `(an API key)`"), "{refused}");
    mock.expect(tgscan_mock::Expect::<SimilarGroups>::any().never());
    send("/search", b"", "query=abcd");
    let unmet = mock.verify().unwrap_err().to_string();
    assert!(unmet.contains("(an API key)") && !unmet.contains("abcd"), "{unmet}");
}

#[test]
fn a_key_in_the_name_of_a_header_is_not_recorded() {
    let mock = Mock::builder().live_key("My-Secret-Key").test_key("x").build().unwrap();
    let mut request = post("/search", "My-Secret-Key", "query=alice");
    for name in ["my-secret-key", "x-my-secret-key", "x-%4dy-secret%2Dkey", "x", "x-other"] {
        request
            .headers_mut()
            .insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), "1".parse().unwrap());
    }
    answer(&mock, &request);
    let headers = mock.requests().remove(0).headers;
    let names: Vec<_> =
        headers.keys().map(http::HeaderName::as_str).filter(|name| name.contains('x')).collect();
    assert_eq!(names, ["x-other"], "{headers:?}");
    assert!(!format!("{headers:?}").contains("secret"), "{headers:?}");
}

#[test]
fn requests_with_huge_heads_count_by_their_size() {
    let mock = Mock::builder().credits(1_000_000).build().unwrap();
    for _ in 0..300 {
        let mut request = post("/search", Mock::LIVE_KEY, "query=alice");
        request.headers_mut().insert("x-huge", "a".repeat(380_000).parse().unwrap());
        answer(&mock, &request);
    }
    let kept = mock.requests().len();
    assert!((40..45).contains(&kept), "16 MiB: {kept}");
    assert_eq!(mock.dropped_requests(), 300 - kept as u64);
}

#[test]
fn body_cut_beyond_the_limit_is_too_large() {
    // Found by the simulation: the transport returned more bytes of a cut body than its limit.
    let mock = Mock::builder().max_body_size(10).build().unwrap();
    mock.script_any([
        FaultKind::CutBody { at: 20 },
        FaultKind::StallBody { at: 20 },
        FaultKind::CutBody { at: 5 },
    ]);
    for (bytes, kind) in [
        (10, TransportErrorKind::BodyTooLarge),
        (10, TransportErrorKind::BodyTooLarge),
        (5, TransportErrorKind::Broken),
    ] {
        let error = block_on(mock.send(post("/search", Mock::LIVE_KEY, "query=alice"))).unwrap_err();
        assert_eq!((error.partial().unwrap().body().len(), error.kind()), (bytes, kind));
    }
}

/// A small generator, so that every run has the same orders.
fn shuffle<T>(items: &mut [T], seed: &mut u64) {
    for last in (1..items.len()).rev() {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, usize::try_from((*seed >> 33) % (last as u64 + 1)).unwrap());
    }
}

#[test]
fn a_thousand_concurrent_orders_give_the_same_answers() {
    // Without balance, whose answer does depend on earlier calls.
    let paths = ["/search", "/chat/similar", "/user/check", "/test/search", "/test/user/check"];
    let requests: Vec<Request<Bytes>> = paths
        .iter()
        .flat_map(|path| {
            let key = if path.starts_with("/test") { Mock::TEST_KEY } else { Mock::LIVE_KEY };
            ["query=alice", "query=bobby", "query=some_username"].map(|body| post(path, key, body))
        })
        .collect();
    let ask_all = |mock: &Mock, order: &[usize]| -> Vec<Bytes> {
        // Two threads ask concurrently, so the orders are those of real parallel callers.
        let mut answers: Vec<(usize, Bytes)> = std::thread::scope(|scope| {
            let halves = order.chunks(order.len() / 2 + 1).map(|half| {
                let requests = &requests;
                let ask = move |index: &usize| (*index, answer(mock, &requests[*index]).into_body());
                scope.spawn(move || half.iter().map(ask).collect::<Vec<_>>())
            });
            halves.collect::<Vec<_>>().into_iter().flat_map(|half| half.join().unwrap()).collect()
        });
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, body)| body).collect()
    };
    let new = || Mock::builder().seed(7).credits(1_000_000).build().unwrap();
    let mut order: Vec<usize> = (0..requests.len()).collect();
    let expected = ask_all(&new(), &order);
    // Three people and three methods; the test methods have the same people.
    assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), 9);
    let (mut seed, mut mock) = (7, new());
    for round in 0..1000 {
        // A new mock from time to time, since answers must not depend on earlier calls either.
        if round % 10 == 0 {
            mock = new();
        }
        shuffle(&mut order, &mut seed);
        assert_eq!(ask_all(&mock, &order), expected, "order {order:?}");
    }
}

#[test]
fn only_answers_without_a_query_depend_on_the_balance() {
    // An answer to a query that stated the balance would depend on earlier calls.
    struct Fits;
    impl GenerateVisitor for Fits {
        fn visit<M: Generate>(&mut self) {
            for seed in 0..50 {
                let request = sample(&M::requests(), seed);
                let fitted = [1, 2].map(|credits| {
                    let mut answer = sample(&M::answers(Profile::Typical), seed);
                    request.apply_billing(&mut answer, 1, credits);
                    serde_json::to_string(&answer).unwrap()
                });
                let asks_nothing = serde_html_form::to_string(&request).unwrap().is_empty();
                assert!(asks_nothing || fitted[0] == fitted[1], "{}", M::NAME);
            }
        }
    }
    visit_all(&mut Fits);
}

#[test]
fn a_repeated_query_is_charged_and_can_have_faults() {
    let mock = Mock::new();
    let ask = || mock.respond(&post("/search", Mock::LIVE_KEY, "query=alice"));
    let whole = || match ask().wire {
        tgscan_mock::outcome::Wire::Whole(response) => response.into_body(),
        other => panic!("not a whole response: {other:?}"),
    };
    let first = whole();
    mock.script_any([FaultKind::CutJson { at: 20 }]);
    assert_eq!(whole(), first[..20]);
    assert_eq!(whole(), first);
    assert_eq!((mock.account().spent, mock.requests()[2].charged), (3, 1));
    mock.set_credits(0);
    assert!(
        message(&answer(&mock, &post("/search", Mock::LIVE_KEY, "query=alice")))
            .contains("not enough credits")
    );
}

#[test]
fn headers_are_recorded_as_sent_without_the_key() {
    let mock = Mock::new();
    let mut request = post("/search", Mock::LIVE_KEY, "query=alice");
    let mut secret = HeaderValue::from_static("hidden");
    secret.set_sensitive(true);
    let headers = request.headers_mut();
    headers.insert("authorization", secret);
    headers.append("x-a", HeaderValue::from_static("1"));
    headers.append("x-a", HeaderValue::from_static(""));
    headers.append("api-key", HeaderValue::from_static("another"));
    headers.insert("x-b", HeaderValue::from_bytes(b"\xff").unwrap());
    headers.insert("x-mock-live-key", HeaderValue::from_static("in the name"));
    mock.respond(&request);
    request.headers_mut().remove("api-key");
    request.headers_mut().remove("x-mock-live-key");
    let recorded = mock.requests().remove(0).headers;
    assert_eq!(&recorded, request.headers());
    assert!(recorded["authorization"].is_sensitive() && !recorded["x-b"].is_sensitive());
}
