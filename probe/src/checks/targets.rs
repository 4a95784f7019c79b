//! URLs that were read before: a monitor asks for the same one again and again, and reading it costs more than finding it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use picket_shared::egress::{BadTarget, Target, parse_target};

/// At most this many are kept; all are forgotten when there are more.
const MOST: usize = 20_000;

/// What was read. Cheap to clone; the clones share it.
#[derive(Clone, Debug, Default)]
pub struct Targets(Arc<Mutex<HashMap<String, Arc<Target>>>>);

impl Targets {
    /// Reads a URL as [`parse_target`] does, or finds what came of it before.
    pub(super) fn read(&self, url: &str) -> Result<Arc<Target>, BadTarget> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = known.get(url) {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(parse_target(url)?);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(url.to_owned(), Arc::clone(&target));
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_once_and_one_that_is_none_is_refused_each_time() {
        let targets = Targets::default();
        let first = targets.read("http://example.org/a").unwrap();
        assert!(Arc::ptr_eq(&first, &targets.clone().read("http://example.org/a").unwrap()));
        assert_eq!(*targets.read("http://example.org/b").unwrap(), parse_target("http://example.org/b").unwrap());
        for _ in 0..2 {
            assert!(matches!(targets.read("ftp://example.org/"), Err(BadTarget::Scheme(_))));
        }
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let targets = Targets::default();
        (0..=MOST).for_each(|n| drop(targets.read(&format!("http://example.org/{n}")).unwrap()));
        assert_eq!(targets.0.lock().unwrap().len(), 1);
    }
}
