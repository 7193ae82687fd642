//! The SDK in blocking code: ureq carries the requests, `tgscan_core::blocking` drives the calls, and there is no runtime.
//!
//! An example to copy. [`send`] is the whole transport.
//!
//! ```no_run
//! use tgscan_core::{Api, ApiKey, blocking, types::Balance};
//! use tgscan_example_blocking::{Settings, send};
//!
//! let api = Api::new(ApiKey::live("0123456789abcdef")?);
//! let (settings, agent) = (Settings::default(), Settings::default().agent()?);
//! let reply = blocking::call(&api, Balance {}, |request| send(&agent, settings.max_body_size, request))?;
//! println!("{} credits are left", reply.answer.num_credits);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod sender;
mod settings;

pub use sender::send;
pub use settings::Settings;
