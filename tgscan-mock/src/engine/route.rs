//! Routes from URLs to API methods.

use bytes::Bytes;
use http::StatusCode;
use tgscan_core::types::{Envelope, registry::MethodInfo};

use super::refusal::{Cause, Refusal};
use super::{AnyStrategy, check};
use crate::data::{Billing, Generate, GenerateVisitor, Profile, World, sample, unusual_form};

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

/// Returns all routes of the mock.
pub(super) fn all(profile: Profile) -> Vec<Route> {
    struct Routes(Profile, Vec<Route>);
    impl GenerateVisitor for Routes {
        fn visit<M: Generate>(&mut self) {
            self.1.push(Route::of::<M>(self.0));
        }
    }
    let mut routes = Routes(profile, Vec::new());
    visit_all(&mut routes);
    routes.1
}

/// Finds the route of a path. Returns whether the path is that of a test method.
pub(super) fn find<'a>(routes: &'a [Route], path: &str) -> Result<(&'a Route, bool), Refusal> {
    let known = routes.iter().find_map(|route| match route.info {
        MethodInfo { path: live, .. } if live == path => Some((route, false)),
        MethodInfo { test_path: Some(test), .. } if test == path => Some((route, true)),
        _ => None,
    });
    known.ok_or_else(|| {
        let paths: Vec<&str> =
            routes.iter().flat_map(|route| [Some(route.info.path), route.info.test_path]).flatten().collect();
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("unknown path; those of the methods are {}", paths.join(", ")),
        )
        .because(if path.ends_with('/') { Cause::TrailingSlash } else { Cause::UnknownPath })
    })
}

/// The functions of one API method that read requests and draw answers.
pub(super) struct Route {
    info: MethodInfo,
    form: fn(&[u8]) -> Result<String, Refusal>,
    num_groups: fn(&str, &World) -> Option<u64>,
    draw: Box<DrawFn>,
}

/// The options for drawing an answer.
pub(super) struct DrawOptions {
    pub(super) profile: Profile,
    pub(super) seed: u64,
    pub(super) billing: Billing,
    pub(super) world: World,
    /// A strategy from a test, in place of the default one.
    pub(super) from: Option<AnyStrategy>,
    /// Whether ids that are documented as strings are written as numbers.
    pub(super) writes_numbers: bool,
}

type DrawFn = dyn Fn(&str, &DrawOptions) -> Result<Bytes, Refusal> + Send + Sync;

impl Route {
    fn of<M: Generate>(profile: Profile) -> Self {
        // Built once: building a strategy costs more than drawing from it.
        let usual = M::answers(profile);
        let draw = move |form: &str, draw: &DrawOptions| {
            // Parsed again, since only a drawn answer needs the request.
            let (request, _) = check::form::<M>(form.as_bytes())?;
            let answer = match (draw.from.as_ref().and_then(AnyStrategy::of::<M>), draw.profile) {
                (Some(strategy), _) => sample(strategy, draw.seed),
                (None, Profile::Typical) => request.answer_in(&draw.world),
                (None, Profile::Extreme | Profile::Undocumented) => sample(&usual, draw.seed),
            };
            write(&request, answer, draw)
        };
        let num_groups =
            |form: &str, world: &World| check::form::<M>(form.as_bytes()).ok()?.0.num_groups_in(world);
        let form = |body: &[u8]| check::form::<M>(body).map(|(_, form)| form);
        Self { info: MethodInfo::of::<M>(), form, num_groups, draw: Box::new(draw) }
    }

    pub(super) fn info(&self) -> MethodInfo {
        self.info
    }

    /// Reads a form body and writes it as the SDK does.
    pub(super) fn form(&self, body: &[u8]) -> Result<String, Refusal> {
        (self.form)(body)
    }

    /// Returns the number of groups in the answer to a form, or `None` if the world has no data for its query.
    pub(super) fn num_groups(&self, form: &str, world: &World) -> Option<u64> {
        (self.num_groups)(form, world)
    }

    /// Draws the answer to a form.
    pub(super) fn draw(&self, form: &str, draw: &DrawOptions) -> Result<Bytes, Refusal> {
        (self.draw)(form, draw)
    }
}

fn write<M: Generate>(request: &M, mut answer: M::Answer, draw: &DrawOptions) -> Result<Bytes, Refusal> {
    let broken =
        |error: serde_json::Error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    request.apply_billing(&mut answer, &draw.billing);
    if draw.profile == Profile::Undocumented {
        let result = serde_json::to_value(&answer).map_err(broken)?;
        return Ok(unusual_form(&result, draw.seed).into());
    }
    let body = serde_json::to_vec(&Envelope::Ok(answer)).map_err(broken)?;
    Ok(if draw.writes_numbers { ids_as_numbers(&body) } else { body }.into())
}

/// Replaces strings with numbers in ids. Inside other strings, quotes are escaped, so they cannot match.
fn ids_as_numbers(body: &[u8]) -> Vec<u8> {
    const ID: &[u8] = br#""id":""#;
    let mut numbers = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.windows(ID.len()).position(|window| window == ID) {
        let (before, id) = rest.split_at(at + ID.len() - 1);
        numbers.extend_from_slice(before);
        let digits = id[1..].iter().take_while(|byte| **byte != b'"').count();
        numbers.extend_from_slice(&id[1..=digits]);
        rest = &id[digits + 2..];
    }
    numbers.extend_from_slice(rest);
    numbers
}
