//! No public type prints the key, the query or a text of an answer, in any kind of error and however it is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_executor::block_on;
use http::Response;
use serde_json::Value;
use tgscan_core::types::{self, ApiMethod, Envelope, GroupQuery, UserId, UserQuery, Username};
use tgscan_core::{
    Api, ApiKey, Client, Credits, Error, ErrorKind, Ledger, Refusal, Reply, Reserve, RetryPolicy, Storage,
    TransportError,
    call::{Attempt, AttemptSummary, CallSummary, Observer, Step},
    ledger::CapReached,
    retry::{Decision, Failure, RetryContext, StatusRule},
    store::{
        AccountBook, BillRow, CallState, Claim, ClaimRequest, ClaimStep, Erased, Lookup, MethodBook,
        PendingClaim, Person, Question, ReconcileStart, Settlement, StoreCap, StoreCapReached, StoreError,
        StorePolicy, StoreRefusal, StoredAnswer, StoredCall,
    },
    transport::{Delivery, TransportErrorKind},
    transport_fn,
};

use crate::support::{Clock, Outcome, documented_answer, response, with_header};

const KEY: &str = "K3y.Nobody-Must~See";
const USERNAME: &str = "Very_Private_Name";
const ID: &str = "7034259912";
/// The first is how the second begins, and how the username does.
const GROUPS: &str = "Very,Very_Private_Group";
const TEXT: &str = "Zoë's secret garden";
const SECRETS: [&str; 6] = [KEY, USERNAME, ID, "Private_Group", TEXT, "secret garden"];

/// Prints values in every way, and remembers which types it saw.
#[derive(Default)]
struct Watch(BTreeSet<String>);

impl Watch {
    fn debug<T: Debug>(&mut self, value: &T) {
        let name = std::any::type_name::<T>().split('<').next().unwrap_or_default();
        self.0.insert(name.rsplit("::").next().unwrap_or_default().to_owned());
        hidden(name, &format!("{value:?}\n{value:#?}"));
    }

    fn display<T: Debug + Display>(&mut self, value: &T) {
        self.debug(value);
        hidden(std::any::type_name::<T>(), &format!("{value}\n{value:#}"));
    }
}

fn hidden(what: &str, printed: &str) {
    // What prints nothing hides everything, and helps nobody.
    assert!(!printed.trim().is_empty(), "{what} prints nothing");
    let low = printed.to_lowercase();
    for secret in SECRETS {
        assert!(!low.contains(&secret.to_lowercase()), "{what} shows {secret}: {printed}");
    }
}

fn api() -> Api {
    Api::new(ApiKey::live(KEY).unwrap())
}

fn user(text: &str) -> types::Search {
    types::Search { query: text.parse().unwrap() }
}

fn groups() -> types::SimilarGroups {
    types::SimilarGroups { query: GROUPS.parse().unwrap() }
}

/// What others could write into a text about a call: its query whole and in parts, its form, and the key.
fn gossip(names: &[&str]) -> String {
    let names = names.join(" ");
    format!("{names} {KEY} {} {}", names.to_uppercase(), KEY.to_lowercase())
}

/// The end of a call's first attempt.
fn attempt<M: ApiMethod>(watch: &mut Watch, method: M, outcome: Outcome) -> Result<Reply<M::Answer>, Error> {
    let step = Step::begin(&api(), method, Duration::ZERO);
    watch.debug(&step);
    let Step::Send(_, sent) = step else { panic!("not sent") };
    watch.debug(&sent);
    let step = sent.received(outcome, Duration::ZERO);
    watch.debug(&step);
    match step {
        Step::Done(result) => result,
        Step::Backoff(wait) => {
            watch.debug(&wait);
            watch.display(wait.error());
            Err(wait.give_up())
        }
        Step::Send(..) => panic!("sent twice"),
    }
}

fn error(watch: &mut Watch, error: &Error) {
    watch.display(error);
    watch.debug(error.kind());
    hidden(
        "the sources of Error",
        &format!("{:?}", std::error::Error::source(error).map(ToString::to_string)),
    );
    match error.kind() {
        ErrorKind::CapReached(cap) => watch.display(cap),
        ErrorKind::Transport(error) => watch.display(error),
        ErrorKind::Api(error) => watch.display(error),
        ErrorKind::UnexpectedResponse(error) => {
            watch.display(error);
            watch.display(error.problem());
        }
        ErrorKind::Decode(error) => {
            watch.display(error);
            watch.display(error.problem());
        }
        other => panic!("a new kind of error: {other:?}"),
    }
    watch.display(&error.reparse::<BTreeMap<String, u64>>().expect_err("no such map"));
}

/// Bodies that hold everything private, in every place of an answer and in none.
fn bodies(gossip: &str) -> Vec<String> {
    let quoted = Value::from(gossip).to_string();
    let mut bodies = vec![
        format!("<html><title>{gossip} {TEXT}</title></html>"),
        format!("{quoted}, expected {TEXT}"),
        format!(r#"{{"status":"error","result":{{"message":{quoted}}}}}"#),
        format!(r#"{{"status":"error","result":{quoted}}}"#),
        format!(r#"{{"status":{quoted},"result":{{"message":{quoted}}}}}"#),
        format!(r#"{{"status":"ok","result":{quoted}}}"#),
    ];
    for key in gossip.split(' ') {
        // As keys: where the JSON itself breaks, an error's path could name them.
        bodies.push(format!(r#"{{"status":"ok","result":{{"{key}":{{"{key}":nope}}}}}}"#));
        bodies.push(format!(r#"{{"status":"ok","{key}":{{"{key}":"{TEXT}"#));
        bodies.push(format!(r#"{{"{key}":["#));
    }
    for wrong in [
        format!("{TEXT} {gossip}"),
        format!("a, expected {TEXT}"),
        format!("a, expected {TEXT} at line 1"),
        format!("missing field `{TEXT}`"),
        format!("missing field `x` at line 1 column 1, expected {TEXT} at line 1 column 1"),
    ] {
        let wrong = Value::from(wrong).to_string();
        for result in [
            format!(r#"{{"user":{{"id":{wrong}}},"meta":{{}}}}"#),
            format!(r#"{{"user":{wrong},"groups":[{wrong}]}}"#),
            format!(r#"{{"user":{{"id":1,"first_name":[{wrong}]}}}}"#),
            format!(r#"{{"groups":[{{"num_users":{wrong}}}],"meta":{{"op_cost":1}}}}"#),
            format!(r#"{{"meta":{{"search_query":{wrong},"op_cost":{wrong}}},"groups":{{}}}}"#),
            format!(r#"{{"id_history":[{{"id":{wrong}}}]}}"#),
        ] {
            bodies.push(format!(r#"{{"status":"ok","result":{result}}}"#));
            bodies.push(format!(r#"{{"result":{result},"status":"ok"}}"#));
        }
    }
    bodies
}

#[derive(Debug)]
struct Foreign(String, Option<Box<Foreign>>);

impl Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Foreign {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

fn every_error<M: ApiMethod>(watch: &mut Watch, method: impl Fn() -> M, names: &[&str]) {
    let gossip = gossip(names);
    for body in bodies(&gossip) {
        for status in [200, 404, 503] {
            let echo = response(status, body.clone());
            let header = format!("text/{}", gossip.replace(' ', "; "));
            let echo = with_header(with_header(echo, "content-type", &header), "x-echo", &header);
            let failed = attempt(watch, method(), Ok(echo)).expect_err(&body);
            assert!(failed.response().is_some());
            error(watch, &failed);
        }
    }
    let foreign = || Foreign("send".into(), Some(Box::new(Foreign(format!("in {gossip}"), None))));
    let partial = || with_header(response(200, format!("{TEXT} {gossip}")), "x-echo", KEY);
    for failure in [
        TransportError::new(foreign()),
        TransportError::never_sent(gossip.clone()).with_kind(TransportErrorKind::Connect),
        TransportError::response_started(partial(), foreign()).with_kind(TransportErrorKind::Broken),
    ] {
        let failed = attempt(watch, method(), Err(failure)).unwrap_err();
        error(watch, &failed);
    }
}

#[test]
fn no_error_of_any_kind_shows_key_query_or_answer() {
    let mut watch = Watch::default();
    every_error(&mut watch, || user(USERNAME), &[USERNAME, "query=Very_Private_Name"]);
    every_error(&mut watch, || user(ID), &[ID, "query=7034259912"]);
    every_error(&mut watch, || types::UserCheck { query: USERNAME.parse().unwrap() }, &[USERNAME]);
    let parts = [GROUPS, "Very_Private_Group,Very", "query=Very%2CVery_Private_Group", "Very_Private_Group"];
    every_error(&mut watch, groups, &parts);
}

fn search_answer() -> String {
    format!(
        r#"{{"status":"ok","result":{{
            "user":{{"id":{ID},"username":"{USERNAME}","first_name":"{TEXT}","last_name":"{TEXT}"}},
            "username_history":[{{"username":"{USERNAME}","date":"{TEXT}"}}],
            "id_history":[{{"id":"{ID}","date":"{TEXT}"}}],"{USERNAME}":"{TEXT}",
            "meta":{{"search_query":"{USERNAME}","known_num_groups":1,"num_groups":1,"op_cost":1}},
            "groups":[{{"id":{ID},"username":"{USERNAME}","title":"{TEXT}","date_updated":"{TEXT}"}}]}}}}"#
    )
}

fn show_values(watch: &mut Watch) {
    watch.debug(&USERNAME.parse::<Username>().unwrap());
    watch.debug(&ID.parse::<UserId>().unwrap());
    watch.debug(&USERNAME.parse::<UserQuery>().unwrap());
    watch.debug(&ID.parse::<UserQuery>().unwrap());
    watch.debug(&GROUPS.parse::<GroupQuery>().unwrap());
    for wrong in [format!("{USERNAME}!"), format!("{ID}{ID}{ID}"), format!("{GROUPS},{TEXT}")] {
        watch.display(&wrong.parse::<UserQuery>().unwrap_err());
        watch.display(&wrong.parse::<GroupQuery>().unwrap_err());
    }
    watch.debug(&user(USERNAME));
    watch.debug(&groups());
    watch.debug(&types::UserCheck { query: ID.parse().unwrap() });
    watch.debug(&types::Balance {});
    watch.debug(&types::registry::infos()[0]);
}

fn show_answers(watch: &mut Watch) {
    let reply = attempt(watch, user(USERNAME), Ok(response(200, search_answer()))).unwrap();
    watch.debug(&reply);
    watch.display(&reply.reparse::<BTreeMap<String, u64>>().unwrap_err());
    watch.display(&reply.reparse::<types::BalanceAnswer>().unwrap_err());
    watch.debug(&Envelope::Ok(reply.answer.clone()));
    watch.debug(&reply.answer);
    watch.debug(&reply.answer.user);
    watch.debug(&reply.answer.username_history[0]);
    watch.debug(&reply.answer.id_history[0]);
    watch.debug(&reply.answer.meta);
    watch.debug(&reply.answer.groups[0]);

    let similar = format!(
        r#"{{"status":"ok","result":{{"meta":{{"search_query":["{USERNAME}"],"op_cost":1}},
        "groups":[{{"username":"{USERNAME}","title":"{TEXT}","num_users":1}}]}}}}"#
    );
    let reply = attempt(watch, groups(), Ok(response(200, similar))).unwrap();
    watch.debug(&reply.answer);
    watch.debug(&reply.answer.meta);
    watch.debug(&reply.answer.groups[0]);

    let check = format!(
        r#"{{"status":"ok","result":{{"user":{{"username":true,"first_name":true,"last_name":true}},
        "meta":{{"search_query":"{USERNAME}","known_num_groups":1,"op_cost":0}}}}}}"#
    );
    let method = types::UserCheck { query: USERNAME.parse().unwrap() };
    let reply = attempt(watch, method, Ok(response(200, check))).unwrap();
    watch.debug(&reply.answer);
    watch.debug(&reply.answer.meta);
    watch.debug(&reply.answer.user);

    let error = format!(r#"{{"status":"error","result":{{"message":"{TEXT}"}}}}"#);
    let Envelope::Error(result) = serde_json::from_str::<Envelope<types::BalanceAnswer>>(&error).unwrap()
    else {
        panic!("{error}")
    };
    watch.debug(&result);
    watch.debug(&Envelope::<types::BalanceAnswer>::Error(result));
    watch.debug(&types::BalanceAnswer::default());
}

fn show_core(watch: &mut Watch) {
    let key = ApiKey::live(KEY).unwrap();
    watch.debug(&key);
    watch.debug(&key.kind());
    for wrong in [format!("{KEY}\n"), format!("{KEY} {TEXT}")] {
        watch.display(&ApiKey::live(wrong).unwrap_err());
    }
    for wrong in [format!("https://{USERNAME}:{KEY}@host"), format!("http://host/{KEY}"), format!("{KEY}:/")]
    {
        watch.display(&Api::with_base_url(&wrong, key.clone()).unwrap_err());
    }
    watch.debug(&api());
    hidden("the headers of a request", &format!("{:?}", api().request(&user(USERNAME)).headers()));

    let captured = KEY.to_owned();
    let transport = transport_fn(move |request: http::Request<Bytes>| {
        let held = (captured.clone(), request);
        async move { Err::<Response<Bytes>, _>(TransportError::new(held.0)) }
    });
    watch.debug(&transport);
    watch.debug(&Client::new(api(), transport, Clock::default()));

    show_observed(watch);

    let ledger = Ledger::with_cap(0, Reserve::PerCall(1));
    watch.debug(&ledger);
    watch.debug(&ledger.snapshot());
    let refused = Step::begin(&api().with_ledger(ledger.clone()), user(USERNAME), Duration::ZERO);
    watch.debug(&refused);
    let Step::Done(Err(refused)) = refused else { panic!("not refused") };
    error(watch, &refused);
    let ErrorKind::CapReached(cap) = refused.kind() else { panic!("{refused}") };
    watch.display::<CapReached>(cap);
    watch.debug(&ledger.start_reconcile());
    watch.debug(&ledger.start_reconcile().finish(5));

    watch.debug(&ledger.start_reconcile().finish(5).outcome);
    watch.debug(&Reserve::OneAtATime);
    watch.debug(&Refusal::Other);
    watch.display(&Refusal::Other);
    watch.debug(&StatusRule::of(http::StatusCode::OK));
    // A function pointer.
    watch.0.insert("Classifier".into());

    watch.debug(&RetryPolicy::default());
    watch.debug(&Failure::NeverSent);
    let (failure, elapsed) = (Failure::Undecodable, Duration::ZERO);
    let (can_cost, is_charged, retry_after) = (true, false, None);
    watch.debug(&RetryContext {
        can_cost,
        failure,
        is_charged,
        retry_after,
        attempts: 1,
        elapsed,
        random: 0,
    });
    watch.debug(&Decision::GiveUp);
    show_store(watch);
    watch.display(&Credits::Charged(1));
    watch.display(&Delivery::MaybeSent);
    watch.display(&TransportErrorKind::Timeout);
}

/// Every type of the store's contract, with a question and an answer in it.
fn show_store(watch: &mut Watch) {
    let body = || Bytes::from(format!(r#"{{"status":"ok","result":{{"user":"{USERNAME}"}}}}"#));
    let question = Question::new("main", true, "search", format!("query={USERNAME}"));
    let answer = StoredAnswer::new(200, body(), Credits::Charged(1), Duration::from_secs(1));
    let mut call = StoredCall::new(7, "main", "search", SystemTime::UNIX_EPOCH, CallState::Answered, 1);
    (call.question, call.answer) = (Some(question.clone()), Some(answer.clone()));
    let mut book = AccountBook::default();
    book.claim(7, "search");
    let cap = StoreCap { credits: 1, reserve: Reserve::OneAtATime };
    let reached = StoreCapReached::check(&book, "search", &cap).unwrap();
    watch.debug(&call);
    watch.debug(&CallState::Answered);
    watch.debug(&answer);
    watch.debug(&question);
    watch.debug(&ClaimRequest::new(question, Duration::MAX));
    watch.debug(&Claim::Stored(answer));
    watch.debug(&Settlement::Answered { status: 200, body: body(), credits: Credits::Charged(1) });
    watch.debug(&MethodBook::new("search", Some(1), 0, 0, 0));
    watch.debug(&ReconcileStart::new(&book, 0));
    watch.debug(&book.reconcile(ReconcileStart::new(&book, 0), 5));
    watch.debug(&book);
    watch.debug(&cap);
    watch.display(&reached);
    watch.debug(&BillRow::new("main", 0, "search", 1, 1));
    watch.debug(&Erased::default());
    watch.debug(&Lookup::New);
    watch.debug(&Person::new(&USERNAME.parse().unwrap()));
    watch.debug(&StorePolicy::new("main", Duration::MAX, Duration::MAX));
    watch.debug(&Storage::NotStored(StoreError::new("the disk is full")));
    watch.display(&StoreError::new("the disk is full"));
    watch.display(&StoreRefusal::CapReached(reached));
    watch.display(&StoreRefusal::Uncertain { call: 7, age: Duration::ZERO, charged: Some(1) });
    let pending = |()| {
        PendingClaim::new(
            &api(),
            &StorePolicy::new("a", Duration::MAX, Duration::MAX),
            Lookup::New,
            user(USERNAME),
            Duration::ZERO,
        )
    };
    watch.debug(&pending(()));
    match pending(()).claimed(Ok(Claim::InFlight { age: Duration::ZERO })) {
        ClaimStep::Backoff(_, waiting) => watch.debug(&waiting),
        other => panic!("{other:?}"),
    }
    let ClaimStep::Granted(granted) = pending(()).claimed(Ok(Claim::Granted(7))) else {
        panic!("not granted")
    };
    watch.debug(&granted);
    let asked = pending(()).claimed(Ok(Claim::Granted(7)));
    watch.debug(&asked);
    let (_, running) = granted.begin(Duration::ZERO);
    watch.debug(&running);
    let reply = api().parse(&user(USERNAME), response(200, documented_answer::<types::Search>()));
    let (_, _, settling) = running.finished(reply);
    watch.debug(&settling);
    // A trait, and the name of a number.
    watch.0.extend(["Store", "CallId"].map(ToOwned::to_owned));
}

/// What an observer is told of a call whose transport quotes everything.
fn show_observed(watch: &mut Watch) {
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<String>>);
    impl Observer for Told {
        fn call_finished(&self, call: &CallSummary<'_>) {
            self.0.lock().unwrap().extend([format!("{call:?}"), format!("{call:#?}")]);
        }
        fn attempt_finished(&self, attempt: &AttemptSummary<'_>) {
            self.0.lock().unwrap().extend([format!("{attempt:?}"), format!("{attempt:#?}")]);
        }
    }
    let transport = transport_fn(|request: http::Request<Bytes>| async move {
        let form = String::from_utf8_lossy(request.body()).into_owned();
        Err::<Response<Bytes>, _>(TransportError::new(format!("{KEY} could not send {form}")))
    });
    let told = Told::default();
    let client = Client::new(api(), transport, Clock::default()).with_observer(told.clone());
    block_on(client.send(user(USERNAME))).unwrap_err();
    let told = told.0.lock().unwrap();
    assert_eq!(told.matches("could not send").count(), 4, "{told}");
    hidden("CallSummary", &told);
    watch.0.extend(["AttemptSummary", "CallSummary"].map(ToOwned::to_owned));

    let marked = api().with_attempt_extension();
    let Step::Send(request, _) = Step::begin(&marked, user(USERNAME), Duration::ZERO) else {
        panic!("not sent")
    };
    watch.debug(request.extensions().get::<Attempt>().unwrap());
}

#[cfg(feature = "tower")]
fn show_service(watch: &mut Watch) {
    watch.debug(&tgscan_core::transport::ServiceTransport::new(KEY));
}

#[cfg(not(feature = "tower"))]
fn show_service(watch: &mut Watch) {
    watch.0.insert("ServiceTransport".into());
}

/// What a module's `pub use` lines name and what it declares itself, types and traits alike.
fn exported(module: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(module).unwrap();
    let uses = text.split("pub use ").skip(1).map(|rest| rest.split_once(';').unwrap().0);
    let named = uses.flat_map(|list| list.split(|c: char| !c.is_alphanumeric()));
    let declared = ["\npub struct ", "\npub enum ", "\npub trait "].into_iter().flat_map(|declares| {
        text.split(declares).skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap())
    });
    named.chain(declared).filter(|name| name.starts_with(char::is_uppercase)).map(ToOwned::to_owned).collect()
}

#[test]
fn no_public_type_shows_key_query_or_answer() {
    let mut watch = Watch::default();
    show_values(&mut watch);
    show_answers(&mut watch);
    show_core(&mut watch);
    show_service(&mut watch);
    every_error(&mut watch, || user(USERNAME), &[USERNAME]);

    // The types of API methods are held to it by a house rule and by the strategies' tests.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = BTreeSet::new();
    for module in [
        "lib.rs",
        "call/mod.rs",
        "error/mod.rs",
        "ledger/mod.rs",
        "retry/mod.rs",
        "store/mod.rs",
        "transport/mod.rs",
    ] {
        all.extend(exported(&here.join("src").join(module)));
    }
    for module in ["lib.rs", "registry.rs"] {
        all.extend(exported(&here.join("../tgscan-types/src").join(module)));
    }
    assert!(all.len() > 45, "{all:?}");
    let traits = ["ApiMethod", "MethodVisitor", "Observer", "Reveal", "Timer", "Transport"];
    watch.0.extend(traits.map(ToOwned::to_owned));
    // It is there to show.
    watch.0.insert("Revealed".into());
    let unseen: Vec<_> = all.difference(&watch.0).collect();
    assert!(unseen.is_empty(), "public types that no test prints: {unseen:?}");
}
