//! A process that reaches its limit of open files, tested in a child process with a low limit.

use std::fs::File;
use std::process::Command;

use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};

use crate::server::{OK, Server, response};
use crate::{search, transport};

const IS_CHILD: &str = "TGSCAN_TEST_FEW_FILES";

#[test]
fn too_many_open_files_are_never_sent_and_do_not_affect_later_calls() {
    if std::env::var_os(IS_CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(run_out_of_files());
    }
    let mut child = Command::new("sh");
    child.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let name = "descriptors::too_many_open_files_are_never_sent_and_do_not_affect_later_calls";
    let output = child.args(["--exact", name, "--nocapture"]).env(IS_CHILD, "1").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn run_out_of_files() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = transport();
    for round in 1..=3 {
        let mut files = Vec::new();
        // Meanwhile both ends close the connection of the previous round.
        for _ in 0..100 {
            files.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            let error = transport.send(search(&server.url())).await.unwrap_err();
            assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Connect));
            assert!(error.to_string().contains("Too many open files"), "{error}");
        }
        drop(files);
        assert_eq!(transport.send(search(&server.url())).await.unwrap().body(), OK);
        assert_eq!(server.requests(), round);
        transport.discard_connections();
    }
}
