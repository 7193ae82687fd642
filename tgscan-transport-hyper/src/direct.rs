//! The way to the host in a build without the feature `proxy`: straight.

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::BuildError;

/// TCP connections to the host itself.
pub(crate) type Route = HttpConnector;

/// Nothing to choose.
#[derive(Clone, Copy, Default)]
pub(crate) struct Choice(());

impl Choice {
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "with the feature `proxy` this can fail"
    )]
    pub(crate) fn route(self, tcp: HttpConnector) -> Result<Route, BuildError> {
        Ok(tcp)
    }
}

/// Nobody is on the way.
pub(crate) fn proxy_on_the_way(_: &Route, _: &Uri) -> Option<String> {
    None
}

/// The same.
pub(crate) fn is_proxy_elsewhere(_: &Route, _: &Uri) -> bool {
    false
}
