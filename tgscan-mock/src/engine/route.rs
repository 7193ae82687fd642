//! Routes from URLs to API methods.

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use proptest::strategy::SBoxedStrategy;
use serde_json::Value;
use tgscan_core::types::{ApiMethod, Envelope, registry::MethodInfo};

use super::refusal::Refusal;
use super::{Settings, UnknownAccounts, check};
use crate::data::{Generate, GenerateVisitor, Profile, World, ids_as_numbers, sample, unusual_form};

/// Visits every API method that the mock answers, in the documentation's order. A macro, because the visitors need
/// different traits.
///
/// A new API method is one line here: it adds the routes of its live and test paths, and its description.
macro_rules! each_method {
    ($visitor:expr) => {
        $visitor.visit::<$crate::types::Search>();
        $visitor.visit::<$crate::types::Balance>();
        $visitor.visit::<$crate::types::SimilarGroups>();
        $visitor.visit::<$crate::types::UserCheck>();
    };
}
#[cfg(feature = "openapi")]
pub(crate) use each_method;

/// Calls `visitor` with every API method that the mock answers, in the documentation's order.
pub fn visit_all(visitor: &mut impl GenerateVisitor) {
    each_method!(visitor);
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    struct Routes(Vec<Route>);
    impl GenerateVisitor for Routes {
        fn visit<M: Generate>(&mut self) {
            let form = |body: &[u8]| check::form::<M>(body).map(|(_, form)| form);
            self.0.push(Route {
                info: MethodInfo::of::<M>(),
                form,
                draw: |form, inputs| draw::<M>(form, inputs, None),
                blank: || serde_json::to_value(Envelope::Ok(M::Answer::default())).unwrap_or_default(),
                #[cfg(feature = "server")]
                pin: |answer| pinned::<M>(serde_json::from_value(answer)?),
            });
        }
    }
    let mut routes = Routes(Vec::new());
    visit_all(&mut routes);
    routes.0
});

/// Returns the route of an API method.
///
/// # Errors
/// If the mock does not answer it: the methods that it answers.
pub(super) fn checked(method: &str) -> Result<&'static Route, String> {
    let names = || ROUTES.iter().map(|route| route.info.name).collect::<Vec<_>>().join(", ");
    let known = ROUTES.iter().find(|route| route.info.name == method);
    known.ok_or_else(|| format!("the mock does not answer `{method}`; use one of {}", names()))
}

/// Returns whether an answer of a method, or of any, can have a field at a JSON pointer.
pub(super) fn can_have_field(method: Option<&str>, pointer: &str) -> bool {
    let Some(path) = pointer.strip_prefix('/') else { return false };
    let routes = ROUTES.iter().filter(|route| method.is_none_or(|method| route.info.name == method));
    let can = |blank: Value| {
        let field = path.split('/').try_fold(&blank, |value, name| match value {
            Value::Object(fields) => fields.get(name),
            // The parts of a list or of an unknown account are not in the blank answer.
            Value::Array(_) | Value::Null => Some(&Value::Null),
            _ => None,
        });
        field.is_some()
    };
    routes.map(|route| (route.blank)()).any(can)
}

/// Returns whether a path belongs to an API method.
#[cfg(feature = "server")]
pub(crate) fn has_path(path: &str) -> bool {
    find(path).is_ok()
}

/// Finds the route of a path. Returns whether the path is that of a test method.
pub(super) fn find(path: &str) -> Result<(&'static Route, bool), Refusal> {
    let known = ROUTES.iter().find_map(|route| match route.info {
        MethodInfo { path: live, .. } if live == path => Some((route, false)),
        MethodInfo { test_path: Some(test), .. } if test == path => Some((route, true)),
        _ => None,
    });
    known.ok_or_else(|| {
        let paths: Vec<&str> =
            ROUTES.iter().flat_map(|route| [Some(route.info.path), route.info.test_path]).flatten().collect();
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("unknown path; those of the methods are {}", paths.join(", ")),
        )
        .like_probe(if path.ends_with('/') { "trailing_slash" } else { "unknown_path" })
    })
}

/// The functions of one API method that read requests and draw answers.
pub(super) struct Route {
    pub(super) info: MethodInfo,
    /// Reads a form body and writes it as the SDK does.
    pub(super) form: fn(&[u8]) -> Result<String, Refusal>,
    /// Draws the answer to a form.
    pub(super) draw: fn(&str, &Draw<'_>) -> DrawResult,
    /// Returns the answer without data, which has all fields that are not in a list.
    blank: fn() -> Value,
    /// Reads the result of an answer from a test. Returns the body and the cost that it states.
    #[cfg(feature = "server")]
    pub(super) pin: fn(Value) -> serde_json::Result<(Bytes, Option<u64>)>,
}

#[cfg(feature = "server")]
impl Route {
    /// Returns the form of a query as the SDK writes it.
    pub(super) fn form_of(&self, query: &str) -> Result<String, String> {
        let body = serde_html_form::to_string([("query", query)]).map_err(|error| error.to_string())?;
        (self.form)(body.as_bytes()).map_err(|refusal| refusal.message)
    }
}

/// Writes an answer from a test. Returns its body and the cost that it states.
pub(super) fn pinned<M: ApiMethod>(answer: M::Answer) -> serde_json::Result<(Bytes, Option<u64>)> {
    let op_cost = M::op_cost(&answer);
    Ok((serde_json::to_vec(&Envelope::Ok(answer))?.into(), op_cost))
}

/// The body of an answer and its cost in credits, or the refusal.
pub(crate) type DrawResult = Result<(Bytes, u64), Refusal>;

/// The inputs of an answer.
pub(crate) struct Draw<'a> {
    pub(super) settings: &'a Settings,
    pub(super) seed: u64,
    pub(super) world: World,
    /// The balance after the call, if the call is free.
    pub(super) num_credits: i64,
}

/// Draws an answer, from the strategy of a test if there is one.
pub(super) fn draw<M: Generate>(
    form: &str,
    draw: &Draw<'_>,
    from: Option<&SBoxedStrategy<M::Answer>>,
) -> DrawResult {
    let broken =
        |error: serde_json::Error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let Draw { settings, seed, ref world, num_credits } = *draw;
    // Parsed again, since only a drawn answer needs the request.
    let (request, _) = check::form::<M>(form.as_bytes())?;
    let mut answer = match (from, settings.profile) {
        (Some(strategy), _) => sample(strategy, seed),
        (None, Profile::Typical) => match (request.answer_in(world), settings.unknown) {
            (None, UnknownAccounts::Error) => {
                return Err(Refusal::new(StatusCode::NOT_FOUND, "unknown account"));
            }
            (answer, _) => answer.unwrap_or_default(),
        },
        (None, profile) => sample(&M::answers(profile), seed),
    };
    let num_groups = u64::try_from(M::num_groups(&answer)).unwrap_or(u64::MAX);
    let cost = settings.costs.get(M::NAME).map_or(0, |cost| cost.of(form, num_groups));
    request.apply_billing(&mut answer, cost, num_credits);
    if settings.profile == Profile::Undocumented {
        let result = serde_json::to_value(&answer).map_err(broken)?;
        return Ok((unusual_form(&result, seed).into(), cost));
    }
    if settings.writes_numbers {
        let mut result = serde_json::to_value(&answer).map_err(broken)?;
        ids_as_numbers(&mut result, || true);
        return Ok((format!(r#"{{"status":"ok","result":{result}}}"#).into(), cost));
    }
    Ok((serde_json::to_vec(&Envelope::Ok(answer)).map_err(broken)?.into(), cost))
}
