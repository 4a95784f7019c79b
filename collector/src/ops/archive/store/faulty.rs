//! A store for tests, calls of which go wrong.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{Answer, Directory, Listed, Put, Store, StoreError};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails before it did anything.
    Before,
    /// It did all of it, and the answer is lost.
    After,
    /// It is refused, until somebody changes something.
    Refused,
    /// It answers, and wrongly: an object with another bit, a list without its end, an object that is not there as one that is, one
    /// that is left as one that is removed.
    Lies,
    /// It answers with something else: another object's bytes, a list with an object that is not there. What is to be put or removed
    /// it leaves, as the one before.
    Mixes,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Before, Self::After, Self::Refused, Self::Lies, Self::Mixes];

    /// Whether it answers as if nothing was wrong.
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Lies | Self::Mixes)
    }
}

/// A folder, calls of which go wrong.
#[derive(Debug)]
pub struct Faulty {
    inner: Directory,
    next: Mutex<Option<Planned>>,
    calls: AtomicU32,
}

/// What goes wrong.
#[derive(Debug)]
struct Planned {
    /// So many calls go well before.
    well: u32,
    /// And so many do not then.
    wrong: u32,
    fault: Fault,
}

impl Faulty {
    /// Nothing goes wrong so far.
    pub fn new(inner: Directory) -> Self {
        Self { inner, next: Mutex::default(), calls: AtomicU32::default() }
    }

    /// The call of that number from now on goes wrong; the first is 1.
    pub fn fails_at(&self, number: u32, fault: Fault) {
        self.plan(Planned { well: number - 1, wrong: 1, fault });
    }

    /// So many calls fail from now on.
    pub fn is_away(&self, calls: u32) {
        self.plan(Planned { well: 0, wrong: calls, fault: Fault::Before });
    }

    fn plan(&self, planned: Planned) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(planned);
    }

    /// Nothing goes wrong any more; whether all did that should.
    pub fn heals(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take().is_none_or(|planned| planned.wrong == 0)
    }

    /// So many calls came.
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn fault(&self) -> Option<Fault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let planned = next.as_mut()?;
        if let Some(well) = planned.well.checked_sub(1) {
            planned.well = well;
            return None;
        }
        planned.wrong = planned.wrong.checked_sub(1)?;
        Some(planned.fault)
    }

    fn answer<'a, T: Send + 'a>(
        fault: Option<Fault>,
        inner: Answer<'a, T>,
        lie: impl FnOnce(Option<T>) -> T + Send + 'a,
        is_asked: bool,
    ) -> Answer<'a, T> {
        let (place, why) = (|| "test".to_owned(), "as planned".to_owned());
        match fault {
            None => inner,
            Some(Fault::Before) => Box::pin(async move { Err(StoreError::Failed { place: place(), why }) }),
            Some(Fault::Refused) => Box::pin(async move { Err(StoreError::Refused { place: place(), why }) }),
            Some(Fault::After) => Box::pin(async move {
                inner.await?;
                Err(StoreError::Failed { place: place(), why })
            }),
            Some(Fault::Lies | Fault::Mixes) => {
                Box::pin(async move { Ok(lie(if is_asked { Some(inner.await?) } else { None })) })
            }
        }
    }

    /// The bytes of an object of another name, the nearest that there is.
    async fn another(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let all = self.inner.list("").await?;
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let other = |listed: &&Listed| listed.name != name;
        let beside = all.iter().filter(other).find(|listed| listed.name.starts_with(folder));
        match beside.or_else(|| all.iter().find(other)) {
            Some(listed) => self.inner.get(&listed.name).await,
            None => Ok(Some(Bytes::from_static(b"another"))),
        }
    }
}

impl Store for Faulty {
    fn ready(&self) -> Answer<'_, ()> {
        Self::answer(self.fault(), self.inner.ready(), |_| (), false)
    }
    fn put<'a>(&'a self, name: &'a str, object: Bytes) -> Answer<'a, Put> {
        Self::answer(self.fault(), self.inner.put(name, object), |_| Put::Exists, false)
    }
    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Bytes>> {
        let lie = |object: Option<Option<Bytes>>| {
            object.flatten().map(|object| {
                let mut other = object.to_vec();
                let middle = other.len() / 2;
                other[middle] ^= 1;
                Bytes::from(other)
            })
        };
        match self.fault() {
            Some(Fault::Mixes) => Box::pin(self.another(name)),
            fault => Self::answer(fault, self.inner.get(name), lie, true),
        }
    }
    fn list<'a>(&'a self, front: &'a str) -> Answer<'a, Vec<Listed>> {
        let fault = self.fault();
        let lie = move |list: Option<Vec<Listed>>| {
            let mut list = list.unwrap_or_default();
            let last = list.pop();
            if let Some(last) = last.filter(|_| fault == Some(Fault::Mixes)) {
                // The ninth of its kind, of segments and of manifests.
                let mut name = last.name.clone();
                name.pop();
                list.extend([last.clone(), Listed { name: name + "9", size: last.size }]);
            }
            list
        };
        Self::answer(fault, self.inner.list(front), lie, true)
    }
    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Self::answer(self.fault(), self.inner.remove(name), |_| (), false)
    }
    fn place(&self) -> String {
        self.inner.place()
    }
}
