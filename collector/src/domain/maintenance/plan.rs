//! What is to be done about the occurrences of a window now: which are kept, which edge each has passed, when to look again.
//!
//! An occurrence has three edges, each passed once: it is announced, begins, ends; one that was announced may be called off instead.
//! Looking twice at one time does nothing twice.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::{Occurrence, Window};

/// An occurrence as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its start.
    pub start: Timestamp,
    /// Its end; brought forward by who ends it early.
    pub end: Timestamp,
    /// Whether it was announced.
    pub announced: bool,
    /// Whether it was seen to begin.
    pub began: bool,
    /// Whether it was seen to end, or to be called off.
    pub ended: bool,
    /// Whether it will not be.
    pub called_off: bool,
}

/// One edge that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It is time to announce it.
    Announce,
    /// It has begun.
    Begin,
    /// It is over.
    End,
    /// It will not be.
    CallOff,
}

/// The occurrences that are to be kept: all that run, and the next.
pub fn to_keep(window: &Window, now: Timestamp) -> Vec<Occurrence> {
    let mut kept = Vec::new();
    for occurrence in window.after(now) {
        kept.push(occurrence);
        if occurrence.start > now {
            break;
        }
    }
    kept
}

impl Kept {
    /// The edges that it has passed by `now` and that nothing was done about.
    pub fn passed(&self, announce_before: Option<Duration>, now: Timestamp) -> Vec<Edge> {
        if self.called_off {
            return if self.ended { Vec::new() } else { vec![Edge::CallOff] };
        }
        let mut edges = Vec::new();
        let announce_at = announce_before.map(|before| self.start - before);
        if !self.announced && announce_at.is_some_and(|at| at <= now) && now < self.start {
            edges.push(Edge::Announce);
        }
        if !self.began && self.start <= now {
            edges.push(Edge::Begin);
        }
        if !self.ended && self.end <= now {
            edges.push(Edge::End);
        }
        edges
    }

    /// Notes that these edges were seen to.
    pub fn note(&mut self, edges: &[Edge]) {
        for edge in edges {
            match edge {
                Edge::Announce => self.announced = true,
                Edge::Begin => self.began = true,
                Edge::End | Edge::CallOff => self.ended = true,
            }
        }
    }

    /// When it has its next edge after `now`.
    pub fn next(&self, announce_before: Option<Duration>, now: Timestamp) -> Option<Timestamp> {
        if self.called_off {
            return None;
        }
        let announce_at = announce_before.filter(|_| !self.announced).map(|before| self.start - before);
        let edges = [announce_at, Some(self.start), Some(self.end).filter(|_| !self.ended)];
        edges.into_iter().flatten().filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn kept() -> Kept {
        Kept { start: at(1000), end: at(2000), announced: false, began: false, ended: false, called_off: false }
    }

    const BEFORE: Option<Duration> = Some(Duration::from_secs(600));

    #[test]
    fn each_edge_is_passed_at_its_second_and_once() {
        let mut one = kept();
        assert_eq!((one.passed(BEFORE, at(399)), one.next(BEFORE, at(399))), (vec![], Some(at(400))));
        assert_eq!(one.passed(BEFORE, at(400)), [Edge::Announce]);
        one.announced = true;
        assert_eq!((one.passed(BEFORE, at(400)), one.next(BEFORE, at(400))), (vec![], Some(at(1000))));
        assert_eq!(one.passed(BEFORE, at(1000)), [Edge::Begin]);
        one.began = true;
        assert_eq!((one.passed(BEFORE, at(1999)), one.next(BEFORE, at(1000))), (vec![], Some(at(2000))));
        assert_eq!(one.passed(BEFORE, at(2000)), [Edge::End]);
        one.ended = true;
        assert_eq!((one.passed(BEFORE, at(2000)), one.next(BEFORE, at(2000))), (vec![], None));
    }

    #[test]
    fn what_was_slept_over_is_not_announced_any_more() {
        assert_eq!(kept().passed(BEFORE, at(1500)), [Edge::Begin]);
        assert_eq!(kept().passed(BEFORE, at(3000)), [Edge::Begin, Edge::End]);
        assert_eq!(kept().passed(None, at(500)), []);
    }

    #[test]
    fn what_is_called_off_is_told_so_at_once_and_nothing_else_of_it() {
        let mut one = Kept { announced: true, called_off: true, ..kept() };
        assert_eq!((one.passed(BEFORE, at(500)), one.next(BEFORE, at(500))), (vec![Edge::CallOff], None));
        one.ended = true;
        assert_eq!((one.passed(BEFORE, at(500)), one.passed(BEFORE, at(3000))), (vec![], vec![]));
    }
}
