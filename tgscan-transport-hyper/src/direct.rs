//! Direct connections, for builds without the feature `proxy`.

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::BuildError;

/// Connects to the host itself.
pub(crate) type Route = HttpConnector;

/// Always empty without the feature `proxy`.
#[derive(Clone, Copy, Default)]
pub(crate) struct ProxySettings(());

impl ProxySettings {
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "with the feature `proxy` this can fail"
    )]
    pub(crate) fn route(self, tcp: HttpConnector) -> Result<Route, BuildError> {
        Ok(tcp)
    }
}

/// Always `None` without the feature `proxy`.
pub(crate) fn proxy_address(_: &Route, _: &Uri) -> Option<String> {
    None
}

/// Always `false` without the feature `proxy`.
pub(crate) fn is_proxy_remote(_: &Route, _: &Uri) -> bool {
    false
}
