//! Suite `decode`: a body into the same types, in three sizes.

use std::hint::black_box;

use bytes::Bytes;

use super::counted;
use super::race::{Contestant, Pace, race};
use super::report::{Report, Table};
use crate::body::{SIZES, result_first, status_first};
use crate::floor::{Plain, Tagged};
use crate::subject;

/// The name of the floor, to which everything is compared.
const FLOOR: &str = "serde_json::from_slice, plain struct";

/// This SDK with the documented order, and with the other.
const SDK: [&str; 2] = ["this SDK, raw body kept", "this SDK, `result` first"];

/// Groups in answers from 1 KB to 64 MB.
const FROM_SMALL_TO_LARGE: [usize; 6] = [7, 75, 750, 7_500, 75_000, 600_000];

pub(super) fn run(pace: Pace) -> Result<Report, String> {
    let mut report = Report::new(Vec::new());
    for groups in SIZES {
        let table = size(groups, pace);
        let [usual, turned] = SDK.map(|name| table.first(name));
        report.at_most(format!("{}, to plain serde_json", table.title), usual / table.first(FLOOR), 0.87);
        report.at_most(format!("{}, `result` first, to `status` first", table.title), turned / usual, 1.15);
        report.tables.push(table);
    }
    let (growth, slope) = growth(pace);
    report.at_most("slope of the time over the size, both logarithmic (1 is linear)", slope, 1.1);
    let (memory, most) = memory()?;
    report.at_most("memory in use at most while 1 MB is decoded, beyond the body, to the body", most, 1.4);
    report.tables.extend([growth, memory]);
    Ok(report)
}

fn growth(pace: Pace) -> (Table, f64) {
    let mut table = Table::new("decode, by size", &["ns per byte", "µs"]);
    let mut points = Vec::new();
    for groups in FROM_SMALL_TO_LARGE {
        let body = status_first(groups);
        let bytes = f64::from(u32::try_from(body.len()).unwrap_or(u32::MAX));
        eprintln!("  decoding {bytes} bytes …");
        let mut contestant = [Contestant::new("this SDK", subject::decode(body))];
        for time in race(&mut contestant, pace) {
            table.add(format!("{bytes} bytes"), vec![Some(time * 1e3 / bytes), Some(time)]);
            points.push((bytes.ln(), time.ln()));
        }
    }
    (table, slope(&points))
}

/// The slope of the line through the points with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX));
    let mean = |what: fn(&(f64, f64)) -> f64| points.iter().map(what).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    both / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

fn memory() -> Result<(Table, f64), String> {
    let bytes = counted::bytes()?;
    let mut table = Table::new("decode, memory in use at most beyond the body", &["to the body", "bytes"]);
    let mut last = f64::NAN;
    for groups in SIZES {
        let of = |what: &str| bytes.get(&format!("{what}-{groups}")).copied().unwrap_or(f64::NAN);
        let (body, most) = (of("body"), of("decode"));
        last = most / body;
        table.add(format!("{body} bytes"), vec![Some(last), Some(most)]);
    }
    Ok((table, last))
}

fn size(groups: usize, pace: Pace) -> Table {
    let (usual, turned) = (status_first(groups), result_first(groups));
    let tagged = |body: &Bytes| {
        let body = body.clone();
        move || drop(black_box(serde_json::from_slice::<Tagged>(black_box(&body)).expect("it fits")))
    };
    let mut contestants = [
        Contestant::new(FLOOR, subject::decode_plain(usual.clone())),
        Contestant::new(SDK[0], subject::decode(usual.clone())),
        Contestant::new(SDK[1], subject::decode(turned.clone())),
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
