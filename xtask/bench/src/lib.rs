//! Measures this SDK beside its peers. Run it as `cargo xtask bench`.
//!
//! Several programs share what is measured: `beside` runs the suites; `allocations` and `memory` count, apart from what
//! is timed, which a counting allocator would slow down; `instructions` is run under callgrind; `holding` is a server, and
//! `mock_speed` the mock alone, which is also built for debugging.
//!
//! # How it is measured
//!
//! - Contestants of one table do the same work in the same run and take turns, so that what disturbs the machine disturbs
//!   them all. The best turn counts, because a disturbance only ever adds.
//! - A whole call is counted in the client alone: the server is another process, which answers after a pause, so that the
//!   client always waits and every call takes the same way. Counts repeat to about one in a hundred.
//! - Calls per second are those of one thread, with the clients on one core and the server on another. The servers only
//!   look for the end of a request, so that the client is what limits; where servers are compared, a client that only
//!   looks for the end of a response asks them. How much processor time of the client a call takes stands beside, and
//!   which part of it is the system's, for sockets and timers: that part no client can save.
//! - "hyper-util by hand" is what [`whole`] says: an ordinary request, built for each call, and nothing around it.

#[cfg(feature = "peers")]
pub mod beside;
pub mod body;
pub mod floor;
pub mod subject;
pub mod whole;
