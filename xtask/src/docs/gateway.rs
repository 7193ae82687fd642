//! Generates the gateway's OpenAPI document and table of errors: the service's document, with the gateway's keys, headers and
//! errors.

use serde_json::{Value, json};

/// The gateway's own errors: status, codes, and remedy.
const ERRORS: [(u16, &[&str], &str); 20] = [
    (400, &["bad_query"], "correct the query; nothing was sent"),
    (401, &["invalid_key"], "send a local key in `Api-Key`"),
    (
        402,
        &["budget_reached", "cap_reached"],
        "raise the budget or the cap, or resolve uncertain calls; nothing was sent",
    ),
    (402, &["no_credits"], "buy credits"),
    (403, &["wrong_kind_of_key", "method_not_allowed"], "use another key"),
    (404, &["unknown_path"], "correct the path"),
    (405, &["http_method"], "send POST"),
    (408, &["body_timeout"], "send the body faster"),
    (
        409,
        &["uncertain"],
        "an earlier call with this question may have been charged without an answer: resolve it as the message describes",
    ),
    (411, &["length_required"], "send a `Content-Length`, and no `Transfer-Encoding`"),
    (413, &["body_too_large"], "send a smaller body"),
    (429, &["too_many_requests"], "wait for the time in `Retry-After`"),
    (502, &["service_unreachable"], "nothing was sent; try again"),
    (502, &["service_refuses_key"], "the service refuses the gateway's key; replace it"),
    (
        502,
        &["unexpected_response", "wrong_answer"],
        "the answer is not from the service, or not to this question; `x-tgscan-credits` has its possible cost",
    ),
    (
        503,
        &["store_unavailable", "comparing", "shutting_down", "too_many_connections"],
        "nothing was sent; try again",
    ),
    (503, &["service_unavailable"], "the service is unavailable; try again later"),
    (504, &["not_sent"], "nothing was sent; try again"),
    (504, &["still_running"], "the call continues; repeat the question to get its answer"),
    (504, &["no_answer"], "the call may have been charged; repeating the question returns `uncertain`"),
];

/// Returns the table of errors.
pub(super) fn table() -> String {
    let line = |(status, codes, remedy): (u16, &[&str], &str)| {
        format!("| {status} | `{}` | {remedy} |\n", codes.join("`, `"))
    };
    let lines: String = ERRORS.into_iter().map(line).collect();
    let head = "| status | `code` | remedy |\n|---|---|---|\n";
    let refused = "| the service's | `refused` | the service refused the call for another reason |\n";
    format!("{head}{lines}{refused}")
}

/// Returns the OpenAPI document, derived from that of the service.
pub(super) fn openapi() -> Value {
    let mut document = tgscan_mock::openapi();
    document["info"]["title"] = "TgScan gateway".into();
    document["info"]["description"] = ABOUT.into();
    document["servers"] = json!([{ "url": "http://127.0.0.1:8470" }]);
    document["components"]["securitySchemes"] = json!({
        "LocalKey": {
            "type": "apiKey",
            "in": "header",
            "name": "Api-Key",
            "description": "A local key of the gateway, which can have budgets and a list of allowed methods.",
        },
    });
    let codes: Vec<_> = ERRORS.iter().flat_map(|(_, codes, _)| codes.iter()).chain([&"refused"]).collect();
    let schemas = &mut document["components"]["schemas"];
    schemas["ErrorEnvelope"]["description"] = "A failed request.".into();
    schemas["ErrorResult"] = json!({
        "type": "object",
        "description": "The `result` of a failed request.",
        "required": ["message", "code"],
        "properties": {
            "message": { "type": "string", "description": "A short description, whose text may change." },
            "code": { "enum": codes, "description": "The kind of error, which does not change." },
        },
    });
    for path in document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        let operation = &mut path["post"];
        operation["security"] = json!([{ "LocalKey": [] }]);
        let mut responses = json!({ "200": operation["responses"]["200"] });
        responses["200"]["headers"] = headers();
        for (status, _, _) in ERRORS {
            responses[status.to_string()] = error(status);
        }
        operation["responses"] = responses;
        if let Some(fields) = operation.as_object_mut() {
            fields.remove("x-assumption");
        }
    }
    document
}

const ABOUT: &str = "The TgScan API of `tgscan serve`: the methods of the service, with local keys, budgets and stored answers. Each \
    question is paid for once, for all callers. Refusals of the service keep their status, which may be 200.";

/// Returns the errors of a status.
fn error(status: u16) -> Value {
    let same = ERRORS.iter().filter(|(other, _, _)| *other == status);
    let lines: Vec<_> =
        same.map(|(_, codes, remedy)| format!("`{}`: {remedy}.", codes.join("`, `"))).collect();
    let schema = json!({ "$ref": "#/components/schemas/ErrorEnvelope" });
    json!({
        "description": lines.join(" "),
        "headers": headers(),
        "content": { "application/json": { "schema": schema } },
    })
}

fn headers() -> Value {
    let header = |description: &str, schema: Value| json!({ "description": description, "schema": schema });
    json!({
        "x-tgscan-credits": header(
            "The cost of the call in credits; missing if no call was made.",
            json!({ "type": "string", "pattern": "^([0-9]+|uncertain)$" }),
        ),
        "x-tgscan-storage": header(
            "How the store was involved: the answer was stored, came from the store, or could not be stored.",
            json!({ "type": "string", "pattern": "^(stored|cached(; age=[0-9]+)?|not-stored)$" }),
        ),
        "x-tgscan-call": header("The paid call in the store.", json!({ "type": "integer" })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_gateway_is_documented() {
        let folder = crate::root().join("tgscan-transport-hyper/tgscan-cli/src/serve");
        let read = |name| std::fs::read_to_string(folder.join(name)).unwrap();
        let text = read("answer.rs") + &read("http.rs");
        let all = text.clone() + &read("listen.rs");
        for (_, codes, _) in ERRORS {
            for code in codes {
                assert!(all.contains(&format!("\"{code}\"")), "{code}");
            }
        }
        // The reverse: every string in the form of a code is documented.
        let documented: Vec<_> = ERRORS.iter().flat_map(|(_, codes, _)| *codes).collect();
        for quoted in text.split('"').skip(1).step_by(2) {
            let is_code =
                quoted.contains('_') && quoted.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
            assert!(!is_code || documented.contains(&&quoted), "{quoted}");
        }
    }

    #[test]
    fn document_has_the_urls_of_the_service_and_no_assumptions() {
        let document = openapi();
        assert_eq!(document["paths"].as_object().unwrap().len(), 7);
        let text = document.to_string();
        assert!(!text.contains("x-assumption") && !text.contains("LiveKey") && !text.contains("the mock"));
    }
}
