//! Which timeline came from which, and where: the `.history` files.
//!
//! A restored copy that is armed writes a new timeline. What was archived of the old one after that point is another future,
//! and no way to the present.

use super::wal::Lsn;

/// The timelines that lead to one, the oldest first: each ends where the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Timeline and where it was left.
    left: Vec<(u32, Lsn)>,
    /// The last, which goes on.
    timeline: u32,
}

impl Path {
    /// Of the first timeline, which came from none.
    pub fn first() -> Self {
        Self { left: Vec::new(), timeline: 1 }
    }

    /// What the `.history` file of `timeline` says; `None` if it is none.
    pub fn parse(timeline: u32, text: &str) -> Option<Self> {
        let mut left: Vec<(u32, Lsn)> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (parent, at): (u32, Lsn) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            if left.last().is_some_and(|(before, end)| *before >= parent || *end > at) || parent >= timeline {
                return None;
            }
            left.push((parent, at));
        }
        (!left.is_empty()).then_some(Self { left, timeline })
    }

    /// The timeline that it leads to.
    pub fn timeline(&self) -> u32 {
        self.timeline
    }

    /// Whether what stood at `lsn` of `timeline` is part of this past.
    pub fn leads_over(&self, timeline: u32, lsn: Lsn) -> bool {
        timeline == self.timeline || self.left.iter().any(|(passed, end)| *passed == timeline && lsn <= *end)
    }

    /// Where a timeline of this past was left; `None` for the last, and for those that are no part of it.
    pub fn end_of(&self, timeline: u32) -> Option<Lsn> {
        self.left.iter().find(|(passed, _)| *passed == timeline).map(|(_, end)| *end)
    }

    /// The timelines from `timeline` on, in their order.
    pub fn from(&self, timeline: u32) -> impl Iterator<Item = u32> {
        self.left.iter().map(|(passed, _)| *passed).chain([self.timeline]).filter(move |passed| *passed >= timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "1\t0/3000000\tbefore 2026-11-23 08:00:00+00\n\n2\t0/5000148\tno recovery target specified\n";

    #[test]
    fn a_past_ends_where_each_timeline_was_left() {
        let path = Path::parse(3, THREE).unwrap();
        assert_eq!(path.timeline(), 3);
        assert!(path.leads_over(1, Lsn(0x300_0000)) && !path.leads_over(1, Lsn(0x300_0001)));
        assert!(path.leads_over(2, Lsn(0x500_0148)) && !path.leads_over(2, Lsn(0x600_0000)));
        assert!(path.leads_over(3, Lsn(u64::MAX)) && !path.leads_over(4, Lsn(0)));
        assert_eq!(path.from(2).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((path.end_of(2), path.end_of(3)), (Some(Lsn(0x500_0148)), None));
    }

    #[test]
    fn the_first_came_from_none() {
        let path = Path::first();
        assert!(path.leads_over(1, Lsn(u64::MAX)) && !path.leads_over(2, Lsn(0)));
    }

    #[test]
    fn what_is_no_history_is_refused() {
        for bad in ["", "# nothing\n", "1", "x 0/1", "1 x", "3 0/1", "2 0/1\n1 0/2", "1 0/5\n2 0/4"] {
            assert_eq!(Path::parse(3, bad), None, "{bad:?}");
        }
    }
}
