//! The clients that most people take, as they write them.

use crate::floor::Plain;
use crate::subject::Operation;

use super::{KEY, PATH, runtime};

const FORM: [(&str, &str); 1] = [("query", "some_username")];

/// The names of all operations here.
pub(super) const NAMES: [&str; 3] = ["whole-reqwest", "whole-reqwest-value", "whole-ureq"];

/// The operation with this name.
pub(super) fn by_name(name: &str, url: &str) -> Option<Operation> {
    match name {
        "whole-reqwest" => Some(reqwest(url)),
        "whole-reqwest-value" => Some(reqwest_value(url)),
        "whole-ureq" => Some(ureq(url)),
        _ => None,
    }
}

fn reqwest(url: &str) -> Operation {
    let (client, runtime, url) = (reqwest::Client::new(), runtime(), format!("{url}{PATH}"));
    Box::new(move || {
        let call = async {
            let response = client.post(&url).header("Api-Key", KEY).form(&FORM).send().await;
            drop(response.expect("a call").json::<Plain>().await.expect("an answer"));
        };
        runtime.block_on(call);
    })
}

fn reqwest_value(url: &str) -> Operation {
    let (client, runtime, url) = (reqwest::Client::new(), runtime(), format!("{url}{PATH}"));
    Box::new(move || {
        let call = async {
            let response = client.post(&url).header("Api-Key", KEY).form(&FORM).send().await;
            let value: serde_json::Value = response.expect("a call").json().await.expect("an answer");
            drop(serde_json::from_value::<Plain>(value).expect("it fits"));
        };
        runtime.block_on(call);
    })
}

fn ureq(url: &str) -> Operation {
    let (agent, url) = (ureq::Agent::new_with_defaults(), format!("{url}{PATH}"));
    Box::new(move || {
        let mut response = agent.post(&url).header("Api-Key", KEY).send_form(FORM).expect("a call");
        drop(response.body_mut().read_json::<Plain>().expect("an answer"));
    })
}
