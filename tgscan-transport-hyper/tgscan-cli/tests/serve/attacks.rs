//! Callers who mean harm.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};

use crate::support::{Gateway, PATIENCE, World};

/// Sends bytes, and returns the response up to the end of the connection; empty without a response.
fn exchange(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = gateway.connect();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Checks that the gateway serves, and has said nothing on standard error, as a panic would.
fn check(world: &World, gateway: Gateway, key: &str) {
    assert_eq!(gateway.search(key, "last_name").status, 200);
    let written = gateway.written.lock().unwrap().clone();
    assert!(!written.contains("last_name") && !written.contains(key));
    assert_eq!(world.mock.requests().len(), 1, "nothing else was sent");
    gateway.signal("-TERM");
    assert_eq!(gateway.ended(), (Some(0), String::new()));
}

#[test]
fn slow_heads_end_and_delay_no_other_caller() {
    let world = World::new(100);
    world.configure("", "[limits]\nconnections = 60\nhead_timeout = \"500ms\"");
    let key = world.key("a", &[]);
    let gateway = world.start();
    let mut slow: Vec<TcpStream> = (0..50).map(|_| gateway.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\n").unwrap();
    }
    // Others are served in the meantime.
    assert_eq!(gateway.post("/tgscan/v1/user/check", "wrong", "").status, 401);
    let began = Instant::now();
    for (number, stream) in slow.iter_mut().enumerate() {
        // A byte now and then does not help.
        let _ = stream.write_all(format!("X-{number}: a\r\n").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    assert!(began.elapsed() < PATIENCE);
    check(&world, gateway, &key);
}

#[test]
fn slow_bodies_end() {
    let world = World::new(100);
    world.configure("", "[limits]\nbody_timeout = \"300ms\"");
    let key = world.key("a", &[]);
    let gateway = world.start();
    let head = format!(
        "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: 30\r\n\r\nquery="
    );
    let answer = exchange(&gateway, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_timeout"), "{answer}");
    check(&world, gateway, &key);
}

#[test]
fn connections_above_the_limit_get_503() {
    let world = World::new(100);
    world.configure("", "[limits]\nconnections = 4");
    let key = world.key("a", &[]);
    let gateway = world.start();
    let mut held: Vec<TcpStream> = Vec::new();
    while held.len() < 4 {
        let mut stream = gateway.connect();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut answer = Vec::new();
    gateway.connect().read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("too_many_connections"), "{answer}");
    drop(held);
    while gateway.get("/healthz").status != 200 {}
    check(&world, gateway, &key);
}

/// `TGSCAN_CONNECTIONS` sets how many.
#[test]
fn thousands_of_connections_take_bounded_memory() {
    let count = std::env::var("TGSCAN_CONNECTIONS").map_or(600, |count| count.parse().unwrap());
    // Most of them above the limit, then all below it.
    for limit in [100, count + 100] {
        let world = World::new(100);
        world.configure("", &format!("[limits]\nconnections = {limit}"));
        let key = world.key("a", &[]);
        let gateway = world.start();
        let before = gateway.resident();
        let open: Vec<_> = (0..count)
            .map(|_| {
                let mut stream = gateway.connect();
                let _ = stream.write_all(b"POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\n");
                stream
            })
            .collect();
        if limit > count {
            // They hold no other caller up.
            while !gateway.get("/metrics").body.contains(&format!("tgscan_connections {}\n", count + 1)) {}
        }
        let grown = gateway.resident().saturating_sub(before);
        println!("{count} connections with a limit of {limit}: {grown} KiB more");
        assert!(grown < 16 * 1024 + 32 * u64::try_from(count.min(limit)).unwrap());
        drop(open);
        while gateway.get("/healthz").status != 200 {}
        check(&world, gateway, &key);
    }
}

#[test]
fn huge_heads_and_bodies_are_refused_unread() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let huge = "a".repeat(4 * 1024 * 1024);
    let heads = [
        format!("POST /tgscan/v1/search HTTP/1.1\r\nX: {huge}\r\n\r\n"),
        format!("POST /{huge} HTTP/1.1\r\n\r\n"),
        format!("POST / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(500)),
        huge.clone(),
    ];
    for head in &heads {
        let answer = exchange(&gateway, head.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    for length in ["16385", "18446744073709551615"] {
        let head =
            format!("POST /tgscan/v1/search HTTP/1.1\r\nApi-Key: {key}\r\nContent-Length: {length}\r\n\r\n");
        let answer = exchange(&gateway, head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // Without a right key, nothing of a body is read.
    let head = "POST /tgscan/v1/search HTTP/1.1\r\nApi-Key: wrong\r\nContent-Length: 16384\r\n\r\n";
    assert!(exchange(&gateway, head.as_bytes()).starts_with("HTTP/1.1 401"));
    check(&world, gateway, &key);
}

#[test]
fn requests_are_not_smuggled() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let hidden = format!(
        "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: 17\r\n\r\nquery=hidden_name"
    );
    let head = format!("POST /tgscan/v1/balance HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\n");
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n",
        "X: a\r\n Content-Length: 5\r\n",
        "X\0: a\r\nContent-Length: 5\r\n",
    ] {
        let answer = exchange(&gateway, format!("{head}{lengths}\r\n0\r\n\r\n{hidden}").as_bytes());
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{lengths}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{lengths}: {answer}");
    }
    check(&world, gateway, &key);
}

#[test]
fn wrong_keys_at_speed_reach_nothing() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let gateway = &gateway;
            scope.spawn(move || {
                for number in 0..250 {
                    let wrong = format!("{:032x}", thread * 1000 + number);
                    assert_eq!(gateway.search(&wrong, "some_name").status, 401);
                }
            });
        }
    });
    check(&world, gateway, &key);
}

#[test]
fn a_caller_who_does_not_read_is_left() {
    let world = World::new(100);
    world.configure("", "[limits]\nbody_timeout = \"300ms\"");
    world.mock.script::<Search>([Fault::new(FaultKind::Oversized { bytes: 32 * 1024 * 1024 })]);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let mut deaf = gateway.connect();
    write!(deaf, "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: 15\r\n\r\nquery=last_name").unwrap();
    gateway.wait_for("request");
    let mut metrics = gateway.get("/metrics").body;
    // This one's connection alone is left.
    while !metrics.contains("tgscan_connections 1\n") {
        metrics = gateway.get("/metrics").body;
    }
    drop(deaf);
    // Its answer is stored.
    check(&world, gateway, &key);
}

#[test]
fn bytes_that_are_no_requests_end_no_gateway() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let mut random: u64 = 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let request = "POST /tgscan/v1/user/check HTTP/1.1\r\nHost: a\r\nApi-Key: wrong\r\nContent-Length: 15\r\n\r\nquery=some_name";
    for round in 0..200 {
        let mut bytes = request.as_bytes().to_vec();
        if round % 4 == 0 {
            bytes = (0..next() % 300).map(|_| u8::try_from(next() % 256).unwrap()).collect();
        }
        for _ in 0..next() % 4 {
            let at = usize::try_from(next()).unwrap() % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = u8::try_from(next() % 256).unwrap();
            }
        }
        let mut stream = gateway.connect();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.read_to_end(&mut answer);
    }
    check(&world, gateway, &key);
}
