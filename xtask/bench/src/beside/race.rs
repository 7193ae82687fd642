//! Contestants take turns, so that what disturbs the machine disturbs them all.

use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often each contestant has its turn.
    pub rounds: u32,
    /// How long a turn is.
    pub turn: Duration,
}

impl Pace {
    /// For figures to keep.
    pub const FULL: Self = Self { rounds: 15, turn: Duration::from_millis(150) };
    /// For a first look.
    pub const QUICK: Self = Self { rounds: 3, turn: Duration::from_millis(40) };
}

/// Something that can be done again and again, under a name.
pub struct Contestant<'a> {
    /// Who it is.
    pub name: &'a str,
    /// What it does.
    pub run: Box<dyn FnMut() + 'a>,
}

impl<'a> Contestant<'a> {
    /// Enters a race.
    pub fn new(name: &'a str, run: impl FnMut() + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// Microseconds of one operation of each contestant, in its best turn: what disturbs only ever adds.
pub fn race(contestants: &mut [Contestant<'_>], pace: Pace) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; contestants.len()];
    for _ in 0..pace.rounds {
        for (contestant, best) in contestants.iter_mut().zip(&mut best) {
            *best = best.min(turn(&mut contestant.run, pace.turn));
        }
    }
    best
}

fn turn(run: &mut dyn FnMut(), length: Duration) -> f64 {
    // In batches, so that asking for the time does not count.
    let mut batch = 1_u32;
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < length {
        let begun = Instant::now();
        (0..batch).for_each(|_| run());
        let took = begun.elapsed();
        if took < Duration::from_micros(200) {
            batch = batch.saturating_mul(2);
        } else {
            best = best.min(took.as_secs_f64() * 1e6 / f64::from(batch));
        }
    }
    best
}
