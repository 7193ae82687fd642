//! `tgscan-mock sample`.

use clap::Args;
use tgscan_mock::core::Api;
use tgscan_mock::types::{
    ApiMethod,
    registry::{MethodVisitor, infos, visit_all},
};
use tgscan_mock::{Mock, data::Profile, outcome::Wire};

use crate::print_line;
use crate::settings::{named, one_line};

/// Flags of `sample`.
#[derive(Args)]
pub(crate) struct Sample {
    /// API method by its name, such as search
    method: String,
    /// The query in the wire form; balance takes no query
    query: Option<String>,
    /// Seed of the answer, as for a server
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Kind of random data: typical, extreme or undocumented
    #[arg(long, value_parser = named::<Profile>, default_value = "typical")]
    profile: Profile,
    /// Answer of the test method
    #[arg(long)]
    test: bool,
}

impl Sample {
    /// Prints one answer, with the same bytes as from a server with this seed.
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut draw = Draw { sample: self, body: None };
        visit_all(&mut draw);
        let names: Vec<&str> = infos().into_iter().map(|method| method.name).collect();
        let unknown = || format!("unknown method {:?}; the methods are {}", self.method, names.join(", "));
        print_line(&draw.body.ok_or_else(unknown)??)
    }
}

struct Draw<'a> {
    sample: &'a Sample,
    /// `None` until the method is visited.
    body: Option<Result<String, String>>,
}

impl MethodVisitor for Draw<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        if M::NAME == self.sample.method {
            self.body = Some(draw::<M>(self.sample));
        }
    }
}

fn draw<M: ApiMethod>(sample: &Sample) -> Result<String, String> {
    if sample.test && M::TEST_PATH.is_none() {
        return Err(format!("{} has no test method", M::NAME));
    }
    let asks_nothing = request::<M>(None).is_ok();
    let request = match (&sample.query, asks_nothing) {
        (Some(_), true) => return Err(format!("{} takes no query", M::NAME)),
        (None, false) => return Err(format!("{} needs a query", M::NAME)),
        (query, _) => request::<M>(query.as_deref())?,
    };
    let builder = Mock::builder().seed(sample.seed).profile(sample.profile);
    let mock = builder.build().map_err(|error| error.to_string())?;
    let key = if sample.test { mock.test_key() } else { mock.live_key() };
    match mock.respond(&Api::new(key).request(&request)).wire {
        Wire::Whole(response) => {
            String::from_utf8(response.into_body().into()).map_err(|error| error.to_string())
        }
        other => Err(format!("the mock sent no answer: {other:?}")),
    }
}

/// Returns the request of `M` with this query in the wire form.
fn request<M: ApiMethod>(query: Option<&str>) -> Result<M, String> {
    let fields: Vec<(&str, &str)> = query.map(|query| ("query", query)).into_iter().collect();
    serde_html_form::to_string(&fields)
        .map_err(|error| error.to_string())
        .and_then(|form| serde_html_form::from_str(&form).map_err(|error| one_line(&error.to_string())))
}
