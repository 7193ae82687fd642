//! Prints each request for `--verbose`: no key, no query, no answer.

use std::time::Instant;

use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::{Transport, TransportError, async_trait};

use crate::print;
use crate::show::escape;
use crate::words::translated;

/// A transport that prints its requests and responses.
pub(crate) struct Verbose<T>(pub(crate) T);

#[async_trait]
impl<T: Transport> Transport for Verbose<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let name = request.uri().path().to_owned();
        let began = Instant::now();
        let response = self.0.send(request).await;
        let time = began.elapsed().as_millis();
        print::note(&match &response {
            Ok(response) => format!(
                "{name}: {:?} {}, {} bytes, {time} ms",
                response.version(),
                response.status().as_u16(),
                response.body().len()
            ),
            Err(error) => format!("{name}: {}, {time} ms", escape(&translated(&error.to_string()))),
        });
        response
    }

    fn discard_connections(&self) {
        self.0.discard_connections();
    }
}
