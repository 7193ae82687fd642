//! Suite `decode`: a body into the same types, in three sizes.

use std::hint::black_box;

use bytes::Bytes;

use super::race::{Contestant, Pace, race};
use super::report::Table;
use crate::body::{SIZES, result_first, status_first};
use crate::floor::{Plain, Tagged};
use crate::subject;

/// The name of the floor, to which everything is compared.
const FLOOR: &str = "serde_json::from_slice, plain struct";

pub(super) fn run(pace: Pace) -> Vec<Table> {
    SIZES.into_iter().map(|groups| size(groups, pace)).collect()
}

fn size(groups: usize, pace: Pace) -> Table {
    let (usual, turned) = (status_first(groups), result_first(groups));
    let tagged = |body: &Bytes| {
        let body = body.clone();
        move || drop(black_box(serde_json::from_slice::<Tagged>(black_box(&body)).expect("it fits")))
    };
    let mut contestants = [
        Contestant::new(FLOOR, subject::decode_plain(usual.clone())),
        Contestant::new("this SDK, raw body kept", subject::decode(usual.clone())),
        Contestant::new("this SDK, `result` first", subject::decode(turned.clone())),
        Contestant::new("serde_json, tagged enum", tagged(&usual)),
        Contestant::new("serde_json, tagged enum, `result` first", tagged(&turned)),
        Contestant::new("serde_json, through Value", through_value(usual.clone())),
        Contestant::new("sonic-rs, plain struct", sonic(usual.clone())),
        Contestant::new("simd-json, plain struct, body copied", simd(usual.clone())),
    ];
    let times = race(&mut contestants, pace);
    let mut table = Table::new(format!("decode {} bytes", usual.len()), &["µs"]);
    for (contestant, time) in contestants.iter().zip(times) {
        table.add(contestant.name, vec![Some(time)]);
    }
    table
}

fn through_value(body: Bytes) -> impl FnMut() {
    move || {
        let value: serde_json::Value = serde_json::from_slice(black_box(&body)).expect("it is JSON");
        drop(black_box(serde_json::from_value::<Plain>(value).expect("it fits")));
    }
}

fn sonic(body: Bytes) -> impl FnMut() {
    move || drop(black_box(sonic_rs::from_slice::<Plain>(black_box(&body)).expect("it fits")))
}

/// It writes into what it reads, so a body that is to be kept must be copied.
fn simd(body: Bytes) -> impl FnMut() {
    move || {
        let mut copy = black_box(&body).to_vec();
        drop(black_box(simd_json::serde::from_slice::<Plain>(&mut copy).expect("it fits")));
    }
}
