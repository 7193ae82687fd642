//! The SDK in blocking code: ureq carries the requests, `Step` decides what happens next, and there is no runtime.
//!
//! An example to copy. [`call`] is the whole driver; [`Sender`] is the whole transport.
//!
//! ```no_run
//! use tgscan_core::{Api, ApiKey, types::Balance};
//! use tgscan_example_blocking::{Sender, Settings, call};
//!
//! let api = Api::new(ApiKey::live("0123456789abcdef")?);
//! let sender = Sender::new(&Settings::default())?;
//! let reply = call(&api, Balance {}, |request| sender.send(request))?;
//! println!("{} credits are left", reply.answer.num_credits);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod sender;
mod settings;

use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, Error, Reply, TransportError, call::Step};

pub use sender::Sender;
pub use settings::Settings;

/// Calls an API method to its end: sends, waits and sends again as the core decides.
///
/// # Errors
/// As `tgscan_core::Client::send`.
pub fn call<M: ApiMethod>(
    api: &Api,
    method: M,
    send: impl Fn(Request<Bytes>) -> Result<Response<Bytes>, TransportError>,
) -> Result<Reply<M::Answer>, Error> {
    let start = Instant::now();
    let mut step = Step::begin(api, method, start.elapsed());
    loop {
        step = match step {
            Step::Send(request, attempt) => attempt.received(send(request), start.elapsed()),
            Step::Backoff(wait) => {
                #[expect(clippy::disallowed_methods, reason = "blocking code waits like this")]
                std::thread::sleep(wait.duration());
                wait.resume()
            }
            Step::Done(result) => return result,
        };
    }
}
