//! Waiting for what must come, with an end to it.

use std::fmt::Debug;
use std::thread;
use std::time::Duration;

use picket_shared::time::Stopwatch;

/// Asks `look` again and again until it gives something, and panics with what it last said when `limit` has passed.
#[track_caller]
pub fn until<T, E: Debug>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, E>) -> T {
    let watch = Stopwatch::start();
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if watch.elapsed() > limit => {
                panic!("{what} did not come within {limit:?}; last seen: {last:#?}")
            }
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Lets time pass and panics as soon as `look` complains: for what must not come.
#[track_caller]
pub fn never<E: Debug>(what: &str, during: Duration, mut look: impl FnMut() -> Result<(), E>) {
    let watch = Stopwatch::start();
    while watch.elapsed() < during {
        if let Err(seen) = look() {
            panic!("{what}, after {:?}: {seen:#?}", watch.elapsed());
        }
        thread::sleep(Duration::from_millis(250));
    }
}
