//! Tests that no public type and no error prints the key, the query or a text of an answer.

mod errors;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use http::Response;
use serde_json::Value;
use tgscan_core::types::{self, ApiMethod, Envelope, GroupQuery, UserId, UserQuery, Username};
use tgscan_core::{
    Api, ApiKey, Budget, Client, Credits, Drained, Error, ErrorKind, Period, Refusal, Reply, Reserve,
    RetryPolicy, Storage, TransportError,
    account::{BudgetKey, BudgetUse, CapReached, ComparisonStart},
    async_trait,
    call::{Attempt, AttemptSummary, CallSummary, Observer, Step},
    retry::{Decision, Failure, RetryContext, StatusRule},
    store::{
        Account, AccountName, AccountRow, Answer, Call, CallState, Changes, Decide, Erased, Event, Found,
        JournalEntry, Loaded, Lookup, Needs, Question, QuestionRow, Selection, Store, StoreError,
        StorePolicy, StoreRefusal, Task,
    },
    transport::{Delivery, TransportErrorKind},
    transport_fn,
};

use errors::{attempt, every_error, show_error};
use store::{show_account, show_store};

use crate::support::{Clock, Outcome, at, response, with_header};

const KEY: &str = "K3y.Hidden-From~Logs";
const USERNAME: &str = "Very_Private_Name";
const ID: &str = "7034259912";
/// The first group is a prefix of the second and of the username.
const GROUPS: &str = "Very,Very_Private_Group";
const TEXT: &str = "Zoë's secret garden";
const SECRETS: [&str; 6] = [KEY, USERNAME, ID, "Private_Group", TEXT, "secret garden"];

/// Prints values in each format, and records their types.
#[derive(Default)]
struct Printer(BTreeSet<String>);

impl Printer {
    fn debug<T: Debug>(&mut self, value: &T) {
        let name = std::any::type_name::<T>().split('<').next().unwrap_or_default();
        self.0.insert(name.rsplit("::").next().unwrap_or_default().to_owned());
        assert_hidden(name, &format!("{value:?}\n{value:#?}"));
    }

    fn display<T: Debug + Display>(&mut self, value: &T) {
        self.debug(value);
        assert_hidden(std::any::type_name::<T>(), &format!("{value}\n{value:#}"));
    }
}

fn assert_hidden(what: &str, printed: &str) {
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

/// Returns a foreign text that quotes a call: its query completely and in parts, its form, and the key.
fn quoting_text(names: &[&str]) -> String {
    let names = names.join(" ");
    format!("{names} {KEY} {} {}", names.to_uppercase(), KEY.to_lowercase())
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

fn show_values(printer: &mut Printer) {
    printer.debug(&USERNAME.parse::<Username>().unwrap());
    printer.debug(&ID.parse::<UserId>().unwrap());
    printer.debug(&USERNAME.parse::<UserQuery>().unwrap());
    printer.debug(&ID.parse::<UserQuery>().unwrap());
    printer.debug(&GROUPS.parse::<GroupQuery>().unwrap());
    for wrong in [format!("{USERNAME}!"), format!("{ID}{ID}{ID}"), format!("{GROUPS},{TEXT}")] {
        printer.display(&wrong.parse::<UserQuery>().unwrap_err());
        printer.display(&wrong.parse::<GroupQuery>().unwrap_err());
    }
    printer.debug(&user(USERNAME));
    printer.debug(&groups());
    printer.debug(&types::UserCheck { query: ID.parse().unwrap() });
    printer.debug(&types::Balance {});
    printer.debug(&types::registry::infos()[0]);
}

fn show_answers(printer: &mut Printer) {
    let reply = attempt(printer, user(USERNAME), Ok(response(200, search_answer()))).unwrap();
    printer.debug(&reply);
    printer.display(&reply.reparse::<BTreeMap<String, u64>>().unwrap_err());
    printer.display(&reply.reparse::<types::BalanceAnswer>().unwrap_err());
    printer.debug(&Envelope::Ok(reply.answer.clone()));
    printer.debug(&reply.answer);
    printer.debug(&reply.answer.user);
    printer.debug(&reply.answer.username_history[0]);
    printer.debug(&reply.answer.id_history[0]);
    printer.debug(&reply.answer.meta);
    printer.debug(&reply.answer.groups[0]);

    let similar = format!(
        r#"{{"status":"ok","result":{{"meta":{{"search_query":["{USERNAME}"],"op_cost":1}},
        "groups":[{{"username":"{USERNAME}","title":"{TEXT}","num_users":1}}]}}}}"#
    );
    let reply = attempt(printer, groups(), Ok(response(200, similar))).unwrap();
    printer.debug(&reply.answer);
    printer.debug(&reply.answer.meta);
    printer.debug(&reply.answer.groups[0]);

    let check = format!(
        r#"{{"status":"ok","result":{{"user":{{"username":true,"first_name":true,"last_name":true}},
        "meta":{{"search_query":"{USERNAME}","known_num_groups":1,"op_cost":0}}}}}}"#
    );
    let method = types::UserCheck { query: USERNAME.parse().unwrap() };
    let reply = attempt(printer, method, Ok(response(200, check))).unwrap();
    printer.debug(&reply.answer);
    printer.debug(&reply.answer.meta);
    printer.debug(&reply.answer.user);

    let error = format!(r#"{{"status":"error","result":{{"message":"{TEXT}"}}}}"#);
    let Envelope::Error(result) = serde_json::from_str::<Envelope<types::BalanceAnswer>>(&error).unwrap()
    else {
        panic!("{error}")
    };
    printer.debug(&result);
    printer.debug(&Envelope::<types::BalanceAnswer>::Error(result));
    printer.debug(&types::BalanceAnswer::default());
}

fn show_core(printer: &mut Printer) {
    let key = ApiKey::live(KEY).unwrap();
    printer.debug(&key);
    printer.debug(&key.kind());
    for wrong in [format!("{KEY}\n"), format!("{KEY} {TEXT}")] {
        printer.display(&ApiKey::live(wrong).unwrap_err());
    }
    for wrong in [format!("https://{USERNAME}:{KEY}@host"), format!("http://host/{KEY}"), format!("{KEY}:/")]
    {
        printer.display(&Api::with_base_url(&wrong, key.clone()).unwrap_err());
    }
    printer.debug(&api());
    assert_hidden("the headers of a request", &format!("{:?}", api().request(&user(USERNAME)).headers()));

    let captured = KEY.to_owned();
    let transport = transport_fn(move |request: http::Request<Bytes>| {
        let held = (captured.clone(), request);
        async move { Err::<Response<Bytes>, _>(TransportError::new(held.0)) }
    });
    printer.debug(&transport);
    printer.debug(&Client::new(api(), transport, Clock::default()));

    show_observed(printer);

    let capped = api().with_cap(0, Reserve::PerCall(1));
    let refused = Step::begin(&capped, user(USERNAME), at(Duration::ZERO));
    printer.debug(&refused);
    let Step::Done(Err(refused)) = refused else { panic!("not refused") };
    show_error(printer, &refused);
    let ErrorKind::CapReached(cap) = refused.kind() else { panic!("{refused}") };
    printer.display::<CapReached>(cap);
    show_account(printer);
    printer.debug(&Reserve::OneAtATime);
    printer.debug(&Refusal::Other);
    printer.display(&Refusal::Other);
    printer.debug(&StatusRule::of(http::StatusCode::OK));
    // A function pointer.
    printer.0.insert("Classifier".into());

    printer.debug(&RetryPolicy::default());
    printer.debug(&Failure::NeverSent);
    let (failure, elapsed) = (Failure::Undecodable, Duration::ZERO);
    let (can_cost, is_charged, retry_after) = (true, false, None);
    printer.debug(&RetryContext {
        can_cost,
        failure,
        is_charged,
        retry_after,
        attempts: 1,
        elapsed,
        random: 0,
    });
    printer.debug(&Decision::GiveUp);
    show_store(printer);
    printer.display(&Credits::Charged(1));
    printer.display(&Delivery::MaybeSent);
    printer.display(&TransportErrorKind::Timeout);
}

/// Prints the arguments of an observer, for a call whose transport quotes all secrets.
fn show_observed(printer: &mut Printer) {
    #[derive(Clone, Default)]
    struct Printed(Arc<Mutex<String>>);
    impl Observer for Printed {
        fn call_finished(&self, call: &CallSummary<'_>) {
            self.0.lock().unwrap().extend([format!("{call:?}"), format!("{call:#?}")]);
        }
        fn attempt_finished(&self, attempt: &AttemptSummary<'_>) {
            self.0.lock().unwrap().extend([format!("{attempt:?}"), format!("{attempt:#?}")]);
        }
        fn budget_used(&self, usage: &BudgetUse) {
            self.0.lock().unwrap().extend([format!("{usage:?}"), format!("{usage:#?}")]);
        }
    }
    let transport = transport_fn(|request: http::Request<Bytes>| async move {
        let form = String::from_utf8_lossy(request.body()).into_owned();
        Err::<Response<Bytes>, _>(TransportError::new(format!("{KEY} could not send {form}")))
    });
    let observed = Printed::default();
    let client = Client::new(api(), transport, Clock::default()).with_observer(observed.clone());
    block_on(client.send(user(USERNAME))).unwrap_err();
    let used = Printed::default();
    let capped = client.clone().with_observer(used.clone()).with_ledger(tgscan_core::Ledger::new());
    let capped = capped.with_cap(1, Reserve::PerCall(1));
    block_on(capped.send(user(USERNAME))).unwrap_err();
    assert!(used.0.lock().unwrap().contains("BudgetUse {"));
    assert_hidden("BudgetUse", &used.0.lock().unwrap());
    let observed = observed.0.lock().unwrap();
    assert_eq!(observed.matches("could not send").count(), 4, "{observed}");
    assert_hidden("CallSummary", &observed);
    printer.0.extend(["AttemptSummary", "BudgetUse", "CallSummary"].map(ToOwned::to_owned));

    let marked = api().with_attempt_extension();
    let Step::Send(request, _) = Step::begin(&marked, user(USERNAME), at(Duration::ZERO)) else {
        panic!("not sent")
    };
    printer.debug(request.extensions().get::<Attempt>().unwrap());
}

#[cfg(feature = "metrics")]
fn show_metrics(printer: &mut Printer) {
    printer.debug(&tgscan_core::call::MetricsObserver::new());
}

#[cfg(not(feature = "metrics"))]
fn show_metrics(printer: &mut Printer) {
    printer.0.insert("MetricsObserver".into());
}

#[cfg(feature = "tower")]
fn show_service(printer: &mut Printer) {
    printer.debug(&tgscan_core::transport::ServiceTransport::new(KEY));
}

#[cfg(not(feature = "tower"))]
fn show_service(printer: &mut Printer) {
    printer.0.insert("ServiceTransport".into());
}

/// Returns the types and traits that a module declares or names in `pub use`.
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
    let mut printer = Printer::default();
    show_values(&mut printer);
    show_answers(&mut printer);
    show_core(&mut printer);
    show_service(&mut printer);
    show_metrics(&mut printer);
    every_error(&mut printer, || user(USERNAME), &[USERNAME]);

    // The types of API methods are tested with their strategies.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = BTreeSet::new();
    for module in [
        "lib.rs",
        "call/mod.rs",
        "error/mod.rs",
        "account/mod.rs",
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
    printer.0.extend(traits.map(ToOwned::to_owned));
    // The only type that is there to show everything.
    printer.0.insert("Revealed".into());
    let unseen: Vec<_> = all.difference(&printer.0).collect();
    assert!(unseen.is_empty(), "public types that no test prints: {unseen:?}");
}
