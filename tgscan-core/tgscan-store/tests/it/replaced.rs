//! Uncertain questions that a policy paid for again.

use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use tgscan_core::Api;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{Now, Step};
use tgscan_core::http::Response;
use tgscan_core::store::{Lookup, QuestionRow, Selection, StoreRefusal};
use tgscan_mock::types::{Search, UserQuery};
use tgscan_mock::{Client, Fault, FaultKind, Mock};

use crate::support::{Subject, mock, policy, refusal, searches, with_each_store};

/// Returns a client that pays again immediately.
fn paying_again(subject: &Subject, mock: &Mock) -> Client {
    mock.client().with_store(subject.store.clone(), policy().pay_again_after(Duration::ZERO))
}

/// Asks the question twice. Both calls are uncertain.
fn ask_twice(subject: &Subject, mock: &Mock) {
    let client = paying_again(subject, mock);
    for _ in 0..2 {
        mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
        block_on(client.search("alice_1")).unwrap_err();
    }
    assert_eq!(searches(mock), 2);
}

/// Checks that a client that does not pay again refuses to send the question because of the first call.
fn check_blocked(subject: &Subject) {
    let mock = mock();
    let refused = block_on(subject.client(&mock).search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&refused), StoreRefusal::Uncertain { call: 1, .. }), "{refused}");
    assert_eq!(searches(&mock), 0);
}

fn resolving_the_second_call_does_not_free_the_question_of_the_first(open: fn() -> Subject) {
    let subject = open();
    ask_twice(&subject, &mock());
    assert_eq!(block_on(subject.account().resolve(2, 0)).unwrap(), Some(0));
    check_blocked(&subject);
    block_on(subject.account().resolve(1, 2)).unwrap();
    assert!(block_on(subject.client(&mock()).search("alice_1")).is_ok());
}

fn erasing_removes_the_question_of_both_calls(open: fn() -> Subject) {
    let subject = open();
    ask_twice(&subject, &mock());
    let calls = block_on(subject.account().calls(0, 10)).unwrap();
    let key = Selection::Question(calls[0].question.as_ref().unwrap().key());
    let erased = block_on(subject.account().erase(&"alice_1".parse::<UserQuery>().unwrap())).unwrap();
    assert_eq!(erased.questions, 2);
    let account = subject.account();
    let found = block_on(subject.store.read(account.name(), key)).unwrap();
    assert_eq!(found.question, QuestionRow::default(), "{}", subject.name);
}

with_each_store! {
    resolving_the_second_call_does_not_free_the_question_of_the_first,
    erasing_removes_the_question_of_both_calls,
}

/// Lets a process crash while its second call waits before another attempt.
fn crash_in_backoff(mut subject: Subject) {
    let mock = mock();
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(subject.client(&mock).search("alice_1")).unwrap_err();
    let now = || Now::new(Duration::ZERO, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    let api = Api::new(mock.live_key()).with_service("mock");
    let policy = policy().pay_again_after(Duration::ZERO);
    let query = Search { query: "alice_1".parse().unwrap() };
    let mut step = Step::begin_stored(&api, &subject.account(), &policy, Lookup::New, query, now());
    let crashed = loop {
        step = match step {
            Step::Ask(asking) => {
                let answered = block_on(asking.ask());
                asking.answered(answered, now())
            }
            Step::Send(_, in_flight) => {
                let busy = Response::builder().status(429).header("retry-after", "20").body(Bytes::new());
                in_flight.received(Ok(busy.unwrap()), now())
            }
            Step::Wait(wait) => break wait,
            Step::Done(result) => panic!("{result:?}"),
        };
    };
    subject.reopen();
    check_blocked(&subject);
    drop(crashed);
    check_blocked(&subject);
}

#[test]
fn crash_in_the_backoff_of_the_second_call_does_not_free_the_question_of_the_first() {
    crash_in_backoff(Subject::memory());
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn crash_of_a_process_in_the_backoff_of_the_second_call_does_not_free_the_question_of_the_first() {
    crash_in_backoff(Subject::postgres());
}
