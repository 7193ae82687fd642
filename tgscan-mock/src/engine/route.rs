//! Which method answers which URL.

use bytes::Bytes;
use http::StatusCode;
use tgscan_core::types::{Envelope, registry::MethodInfo};

use super::check::Refusal;
use super::{Drawn, check};
use crate::data::{Billing, Generate, GenerateVisitor, Profile, World, hostile_form, sample};

/// Visits every API method that the mock answers, in the documentation's order. A macro, because the visitors ask for
/// different traits of the methods.
///
/// A new API method is one line here, which routes its live path and that of its test twin, and describes both.
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

/// Shows every API method that the mock answers to `visitor`, in the documentation's order.
pub fn visit_all(visitor: &mut impl GenerateVisitor) {
    each_method!(visitor);
}

/// Every URL of the mock.
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

/// The route of a path, and whether it is the path of a test method.
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
    })
}

/// One API method: reads its requests, draws its answers.
pub(super) struct Route {
    info: MethodInfo,
    form: fn(&[u8]) -> Result<String, Refusal>,
    num_groups: fn(&str, &World) -> Option<u64>,
    draw: Box<DrawFn>,
}

/// What an answer is drawn with.
pub(super) struct Draw {
    pub(super) profile: Profile,
    pub(super) seed: u64,
    pub(super) billing: Billing,
    pub(super) world: World,
    /// From this strategy of a test instead of the usual one.
    pub(super) from: Option<Drawn>,
    /// Whether ids are numbers that the documentation has as texts.
    pub(super) writes_numbers: bool,
}

type DrawFn = dyn Fn(&str, &Draw) -> Result<Bytes, Refusal> + Send + Sync;

impl Route {
    fn of<M: Generate>(profile: Profile) -> Self {
        // Built once: building a strategy costs more than drawing from it.
        let usual = M::answers(profile);
        let draw = move |form: &str, draw: &Draw| {
            // Read again, because only an answer that is drawn needs more of the request than its form.
            let (request, _) = check::form::<M>(form.as_bytes())?;
            let answer = match (draw.from.as_ref().and_then(Drawn::of::<M>), draw.profile) {
                (Some(drawn), _) => sample(drawn, draw.seed),
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

    /// How many groups the answer to a form lists; `None` if the world knows nobody under its query.
    pub(super) fn num_groups(&self, form: &str, world: &World) -> Option<u64> {
        (self.num_groups)(form, world)
    }

    /// Draws the answer to a form.
    pub(super) fn draw(&self, form: &str, draw: &Draw) -> Result<Bytes, Refusal> {
        (self.draw)(form, draw)
    }
}

fn write<M: Generate>(request: &M, mut answer: M::Answer, draw: &Draw) -> Result<Bytes, Refusal> {
    let broken =
        |error: serde_json::Error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    request.apply_billing(&mut answer, &draw.billing);
    let body = match draw.profile {
        Profile::Typical | Profile::Extreme => {
            // Most answers fit, and so need not be moved while they grow.
            let mut body = Vec::with_capacity(2048);
            serde_json::to_writer(&mut body, &Envelope::Ok(answer)).map_err(broken)?;
            if draw.writes_numbers {
                body = ids_as_numbers(&body);
            }
            // Kept answers count by their length.
            body.shrink_to_fit();
            body
        }
        Profile::Undocumented => {
            hostile_form(&serde_json::to_value(&answer).map_err(broken)?, draw.seed).into_bytes()
        }
    };
    Ok(Bytes::from(body))
}

/// The same answer with numbers for the ids that are texts. What looks like one inside a text has its quotes escaped.
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
