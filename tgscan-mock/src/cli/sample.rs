//! `tgscan-mock sample`.

use clap::Args;
use http::Request;
use tgscan_mock::types::registry::infos;
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
        let infos = infos();
        let names: Vec<&str> = infos.iter().map(|method| method.name).collect();
        let method = infos.iter().find(|method| method.name == self.method).ok_or_else(|| {
            format!("unknown method {:?}; the methods are {}", self.method, names.join(", "))
        })?;
        let (path, key) = match (self.test, method.test_path) {
            (true, None) => return Err(format!("{} has no test method", self.method)),
            (true, Some(path)) => (path, Mock::TEST_KEY),
            (false, _) => (method.path, Mock::LIVE_KEY),
        };
        let form =
            serde_html_form::to_string(self.query.iter().map(|query| ("query", query)).collect::<Vec<_>>());
        let request =
            Request::post(path).header("api-key", key).body(form.map_err(text)?.into()).map_err(text)?;
        let mock = Mock::builder().seed(self.seed).profile(self.profile).build().map_err(text)?;
        let Wire::Whole(response) = mock.respond(&request).wire else {
            return Err("the mock sent no whole answer".into());
        };
        match mock.requests().pop().and_then(|request| request.refusal) {
            Some(refusal) => Err(one_line(&refusal)),
            None => print_line(&String::from_utf8(response.into_body().into()).map_err(text)?),
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
