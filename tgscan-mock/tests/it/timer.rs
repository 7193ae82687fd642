//! The timer that does not wait.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use futures_util::future::join_all;
use tgscan_mock::core::Timer;
use tgscan_mock::{Mock, VirtualTimer};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

#[test]
fn sleeps_end_in_order_and_take_no_time() {
    let timer = VirtualTimer::new();
    let ended = Mutex::new(Vec::new());
    let sleep = async |seconds: u64| {
        timer.sleep(Duration::from_secs(seconds)).await;
        ended.lock().unwrap().push((seconds, timer.now().as_secs()));
    };
    block_on(join_all([3000, 1000, 2000].map(sleep)));
    assert_eq!(*ended.lock().unwrap(), [(1000, 1000), (2000, 2000), (3000, 3000)]);
}

#[test]
fn time_of_day_follows_the_timer_from_today() {
    let of_day = |day: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(day * SECONDS_PER_DAY);
    for (mock, day) in [
        (Mock::new(), 20_454),
        (Mock::builder().today("2016-02-29").build().unwrap(), 16_860),
        (Mock::builder().today("9999-12-31").build().unwrap(), 2_932_896),
    ] {
        let (timer, clock) = (mock.timer().clone(), mock.timer().wall_clock());
        assert_eq!((clock(), timer.date()), (of_day(day), Some(of_day(day))));
        block_on(timer.sleep(Duration::from_secs(5 * SECONDS_PER_DAY)));
        assert_eq!((clock(), timer.date()), (of_day(day + 5), Some(of_day(day + 5))));
        timer.advance(Duration::MAX);
        let last = clock();
        timer.advance(Duration::MAX);
        assert_eq!(clock(), last, "it stops");
    }
    assert_eq!(VirtualTimer::new().date(), Some(of_day(20_454)));
}

#[test]
fn a_sleep_that_is_not_polled_does_not_block_others() {
    let timer = VirtualTimer::new();
    let mut forgotten = timer.sleep(Duration::from_secs(1));
    let _ = forgotten.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    block_on(timer.sleep(Duration::from_secs(5)));
    assert_eq!(timer.now(), Duration::from_secs(5));
}

#[test]
fn a_dropped_sleep_does_not_block_others() {
    let timer = VirtualTimer::new();
    let mut short = timer.sleep(Duration::from_secs(1));
    let _ = short.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    drop(short);
    block_on(timer.sleep(Duration::from_secs(5)));
    assert_eq!(timer.now(), Duration::from_secs(5));
}
