//! Which method answers which URL.

use bytes::Bytes;
use http::StatusCode;
use proptest::strategy::SBoxedStrategy;
use tgscan_core::types::{Envelope, MethodInfo};

use super::refusal::Refusal;
use super::{Drawn, check};
use crate::data::{Generate, GenerateVisitor, Profile, Terms, hostile_form, sample};

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
            format!("there is no such method; the paths are {}", paths.join(", ")),
        )
    })
}

/// What the account grants a request: an answer.
pub(super) enum Granted {
    /// A random one, of this seed and on these terms, drawn as usual or from a strategy of a test.
    Random { seed: u64, terms: Terms, drawn: Option<Drawn> },
    /// This one, which is written already.
    Written(Bytes),
}

/// Called with the request's form once it is checked: charges the account, and says which answer it gets.
pub(super) type Charge<'a> = dyn FnMut(&str) -> Result<Granted, Refusal> + 'a;

/// One API method: reads its requests, writes its answers.
pub(super) struct Route {
    info: MethodInfo,
    form: fn(&[u8]) -> Result<String, Refusal>,
    answer: Box<AnswerFn>,
}

type AnswerFn = dyn Fn(&[u8], Profile, &mut Charge<'_>) -> Result<Bytes, Refusal> + Send + Sync;

impl Route {
    fn of<M: Generate>(profile: Profile) -> Self {
        // Built once: building a strategy costs more than drawing from it.
        let answers = M::answers(profile);
        let answer = move |body: &[u8], profile: Profile, charge: &mut Charge<'_>| {
            let (request, form) = check::form::<M>(body)?;
            match charge(&form)? {
                Granted::Random { seed, terms, drawn } => {
                    let answers = drawn.as_ref().and_then(Drawn::of::<M>).unwrap_or(&answers);
                    write(&request, answers, profile, seed, &terms)
                }
                Granted::Written(body) => Ok(body),
            }
        };
        let form = |body: &[u8]| check::form::<M>(body).map(|(_, form)| form);
        Self { info: MethodInfo::of::<M>(), form, answer: Box::new(answer) }
    }

    pub(super) fn info(&self) -> MethodInfo {
        self.info
    }

    /// Reads a form body and writes it as the SDK does.
    pub(super) fn form(&self, body: &[u8]) -> Result<String, Refusal> {
        (self.form)(body)
    }

    /// Answers a form body.
    pub(super) fn answer(
        &self,
        body: &[u8],
        profile: Profile,
        charge: &mut Charge<'_>,
    ) -> Result<Bytes, Refusal> {
        (self.answer)(body, profile, charge)
    }
}

fn write<M: Generate>(
    request: &M,
    answers: &SBoxedStrategy<M::Answer>,
    profile: Profile,
    seed: u64,
    terms: &Terms,
) -> Result<Bytes, Refusal> {
    let broken =
        |error: serde_json::Error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let mut answer = sample(answers, seed);
    request.fit(&mut answer, terms);
    let body = match profile {
        Profile::Typical => {
            // Most answers fit, and so need not be moved while they grow.
            let mut body = Vec::with_capacity(2048);
            serde_json::to_writer(&mut body, &Envelope::Ok(answer)).map_err(broken)?;
            // Kept answers count by their length.
            body.shrink_to_fit();
            body
        }
        Profile::Hostile => hostile_form(&serde_json::to_value(&answer).map_err(broken)?, seed).into_bytes(),
    };
    Ok(Bytes::from(body))
}
