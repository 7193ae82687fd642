//! The SDK in blocking code: ureq carries the requests, `tgscan_core::blocking` drives the calls, and there is no runtime.
//!
//! An example to copy. [`Sender`] is the whole transport.
//!
//! ```no_run
//! use tgscan_core::{Api, ApiKey, blocking, types::Balance};
//! use tgscan_example_blocking::{Sender, Settings};
//!
//! let api = Api::new(ApiKey::live("0123456789abcdef")?);
//! let sender = Sender::new(&Settings::default())?;
//! let reply = blocking::call(&api, Balance {}, |request| sender.send(request))?;
//! println!("{} credits are left", reply.answer.num_credits);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod sender;
mod settings;

pub use sender::Sender;
pub use settings::Settings;
