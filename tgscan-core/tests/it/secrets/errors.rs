//! Errors of all kinds.

use super::*;

/// Returns the result of a call after its first attempt.
pub(super) fn attempt<M: ApiMethod>(
    printer: &mut Printer,
    method: M,
    outcome: Outcome,
) -> Result<Reply<M::Answer>, Error> {
    let step = Step::begin(&api(), method, at(Duration::ZERO));
    printer.debug(&step);
    let Step::Send(_, sent) = step else { panic!("not sent") };
    printer.debug(&sent);
    let step = sent.received(outcome, at(Duration::ZERO));
    printer.debug(&step);
    match step {
        Step::Done(result) => result,
        Step::Wait(wait) => {
            printer.debug(&wait);
            printer.display(wait.error().unwrap());
            match wait.give_up(at(Duration::ZERO)) {
                Step::Done(result) => result,
                other => panic!("not done: {other:?}"),
            }
        }
        other => panic!("not done: {other:?}"),
    }
}

pub(super) fn show_error(printer: &mut Printer, error: &Error) {
    printer.display(error);
    printer.debug(error.kind());
    assert_hidden(
        "the sources of Error",
        &format!("{:?}", std::error::Error::source(error).map(ToString::to_string)),
    );
    match error.kind() {
        ErrorKind::CapReached(cap) => printer.display(cap),
        ErrorKind::Transport(error) => printer.display(error),
        ErrorKind::Api(error) => printer.display(error),
        ErrorKind::UnexpectedResponse(error) | ErrorKind::Decode(error) => {
            printer.display(error);
            printer.display(error.problem());
        }
        other => panic!("a new kind of error: {other:?}"),
    }
    printer.display(&error.reparse::<BTreeMap<String, u64>>().expect_err("no such map"));
}

/// Returns bodies with all secrets, in each place of an answer and elsewhere.
fn bodies(text: &str) -> Vec<String> {
    let quoted = Value::from(text).to_string();
    let mut bodies = vec![
        format!("<html><title>{text} {TEXT}</title></html>"),
        format!("{quoted}, expected {TEXT}"),
        format!(r#"{{"status":"error","result":{{"message":{quoted}}}}}"#),
        format!(r#"{{"status":"error","result":{quoted}}}"#),
        format!(r#"{{"status":{quoted},"result":{{"message":{quoted}}}}}"#),
        format!(r#"{{"status":"ok","result":{quoted}}}"#),
    ];
    for key in text.split(' ') {
        // As keys, because the path of a syntax error could contain them.
        bodies.push(format!(r#"{{"status":"ok","result":{{"{key}":{{"{key}":nope}}}}}}"#));
        bodies.push(format!(r#"{{"status":"ok","{key}":{{"{key}":"{TEXT}"#));
        bodies.push(format!(r#"{{"{key}":["#));
    }
    for wrong in [
        format!("{TEXT} {text}"),
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

pub(super) fn every_error<M: ApiMethod>(printer: &mut Printer, method: impl Fn() -> M, names: &[&str]) {
    let text = quoting_text(names);
    for body in bodies(&text) {
        for status in [200, 404, 503] {
            let echo = response(status, body.clone());
            let header = format!("text/{}", text.replace(' ', "; "));
            let echo = with_header(with_header(echo, "content-type", &header), "x-echo", &header);
            let failed = attempt(printer, method(), Ok(echo)).expect_err(&body);
            assert!(failed.response().is_some());
            show_error(printer, &failed);
        }
    }
    let foreign = || Foreign("send".into(), Some(Box::new(Foreign(format!("in {text}"), None))));
    let partial = || with_header(response(200, format!("{TEXT} {text}")), "x-echo", KEY);
    for failure in [
        TransportError::new(foreign()),
        TransportError::never_sent(text.clone()).with_kind(TransportErrorKind::Connect),
        TransportError::response_started(partial(), foreign()).with_kind(TransportErrorKind::Broken),
    ] {
        let failed = attempt(printer, method(), Err(failure)).unwrap_err();
        show_error(printer, &failed);
    }
}

#[test]
fn no_error_of_any_kind_shows_key_query_or_answer() {
    let mut printer = Printer::default();
    every_error(&mut printer, || user(USERNAME), &[USERNAME, "query=Very_Private_Name"]);
    every_error(&mut printer, || user(ID), &[ID, "query=7034259912"]);
    every_error(&mut printer, || types::UserCheck { query: USERNAME.parse().unwrap() }, &[USERNAME]);
    let parts = [GROUPS, "Very_Private_Group,Very", "query=Very%2CVery_Private_Group", "Very_Private_Group"];
    every_error(&mut printer, groups, &parts);
}
