//! Each call of the store fails in turn while a real cluster is backed up and restored.

use super::*;

#[test]
fn whichever_call_of_the_store_fails_no_backup_is_listed_that_is_not_whole() {
    let test = "archive::torture::calls::whichever_call_of_the_store_fails_no_backup_is_listed_that_is_not_whole";
    let Some(program) = unprivileged(test) else { return };
    let runtime = Runtime::new().unwrap();
    let room = runtime.block_on(Room::new(program));
    let looked_at = Mutex::new(HashSet::new());
    let listed_are_whole = async || {
        let listed = inventory::backups(&room.plain()).await.unwrap();
        for backup in &listed {
            let is_new = looked_at.lock().unwrap().insert(backup.id.clone());
            if is_new {
                room.must_be_whole(backup).await;
            }
        }
        listed
    };
    with_every_fault(&runtime, async |fault| {
        for number in 1.. {
            let store = Arc::new(Faulty::new(room.store()));
            store.fails_at(number, fault);
            let engine = room.engine(room.shelf(store.clone()));
            let taken = engine.backup(&|_| ()).await;
            let failed = store.heals();
            let listed = listed_are_whole().await;
            match taken {
                Ok(backup) => assert!(listed.contains(&backup), "{fault:?}, call {number}"),
                Err(error) => assert!(failed && error.to_string().len() > 20, "{fault:?}, call {number}: {error}"),
            }
            if !failed {
                // Two parts, a look at the WAL, and the description at least.
                assert!(number > 4, "{fault:?}: {number} calls");
                break;
            }
        }
    });
    runtime.block_on(async {
        room.writes(1).await;
        room.engine(room.plain()).note(BTreeMap::new()).await.unwrap();
        let verdict = verify::verify(&room.plain(), &room.memory(), true, &|_| ()).await.unwrap();
        assert_eq!(verdict.wrong, Vec::<String>::new());
        let attempt = room.restores(&room.plain(), "restored", UpTo::End).await;
        assert!(attempt.end().last_commit.is_some(), "{attempt:?}");
        room.ends().await;
    });
}

#[test]
fn whichever_call_of_the_store_fails_a_restore_is_right_or_is_none() {
    let test = "archive::torture::calls::whichever_call_of_the_store_fails_a_restore_is_right_or_is_none";
    let Some(program) = unprivileged(test) else { return };
    let runtime = Runtime::new().unwrap();
    let (room, undisturbed, unpacked, all) = runtime.block_on(async {
        let room = Room::new(program).await;
        let engine = room.engine(room.plain());
        engine.backup(&|_| ()).await.unwrap();
        room.writes(1).await;
        engine.note(BTreeMap::new()).await.unwrap();
        room.writes(2).await;
        room.ends().await;
        let calls = async |up_to: UpTo| {
            let store = Arc::new(Faulty::new(room.store()));
            let attempt = room.restores(&room.shelf(store.clone()), "undisturbed", up_to).await;
            (attempt, store.calls())
        };
        let ((_, unpacked), (undisturbed, all)) = (calls(UpTo::Verified).await, calls(UpTo::End).await);
        assert!(undisturbed.end().last_commit.is_some() && undisturbed.tree.is_some(), "{undisturbed:?}");
        // Owner, manifests, a list, descriptions, and two parts; then histories and segments.
        assert!(unpacked > 6 && all > unpacked + 3, "{unpacked} and {all} calls");
        (room, undisturbed, unpacked, all)
    });
    let is_full = std::env::var_os("PICKET_FULL").is_some();
    with_every_fault(&runtime, async |fault| {
        let attempt = async |number: u32, up_to: UpTo| {
            let store = Arc::new(Faulty::new(room.store()));
            store.fails_at(number, fault);
            let (shelf, name) = (room.shelf(store.clone()), format!("{fault:?}-{number}"));
            let attempt = room.restores(&shelf, &name, up_to).await;
            attempt.must_be_right(&undisturbed, &format!("{fault:?}, call {number}"));
            assert!(store.heals(), "{fault:?}: call {number} did not come");
        };
        for number in 1..=unpacked {
            attempt(number, UpTo::Verified).await;
        }
        // A recovery takes seconds: each call fails in every second way, and all by `PICKET_FULL=1`. For a call that only asks it is the same
        // whether it fails before or after.
        let is_one = |number: u32| is_full || (fault != Fault::After && number.is_multiple_of(2) == fault.is_silent());
        for number in (unpacked + 1..=all).filter(|number| is_one(*number)) {
            attempt(number, UpTo::End).await;
        }
    });
}

#[test]
fn a_store_that_hides_or_denies_an_object_or_shows_one_more_is_never_believed() {
    let test = "archive::torture::calls::a_store_that_hides_or_denies_an_object_or_shows_one_more_is_never_believed";
    let Some(program) = unprivileged(test) else { return };
    let runtime = Runtime::new().unwrap();
    let (room, undisturbed, places) = runtime.block_on(async {
        let room = Room::new(program).await;
        let engine = room.engine(room.plain());
        engine.backup(&|_| ()).await.unwrap();
        engine.note(BTreeMap::new()).await.unwrap();
        room.writes(1).await;
        room.writes(2).await;
        room.ends().await;
        let undisturbed = room.restores(&room.plain(), "undisturbed", UpTo::End).await;
        let places: Vec<String> = room.store().list("").await.unwrap().into_iter().map(|found| found.name).collect();
        (room, undisturbed, places)
    });
    let system = room.system;
    let more = [
        "base/20260101T000000Z-0000/backup",
        "chain/0000000999",
        "wal/00000001/0000000100000000000000FF",
        "wal/00000009/00000009.history",
    ];
    let mut cases: Vec<Partial> = Vec::new();
    for place in &places {
        cases.push(Partial { hides: Some(place.clone()), ..Partial::of(&room) });
        cases.push(Partial { denies: Some(place.clone()), ..Partial::of(&room) });
    }
    for place in more {
        cases.push(Partial { shows: Some(format!("{system}/{place}")), ..Partial::of(&room) });
    }
    let cases = Mutex::new(cases.into_iter().enumerate());
    let refused = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((number, case)) = cases.lock().unwrap().next() else { return };
                    let when = format!("{case:?}");
                    // What PostgreSQL asks for may be denied only there.
                    let up_to = if case.denies.as_ref().is_some_and(|place| place.contains("/wal/")) {
                        UpTo::End
                    } else {
                        UpTo::Verified
                    };
                    let shelf = room.shelf(Arc::new(case));
                    let attempt = runtime.block_on(room.restores(&shelf, &format!("case-{number}"), up_to));
                    attempt.must_be_right(&undisturbed, &when);
                    if let Some(Err(error)) = attempt.result {
                        refused.lock().unwrap().push(format!("{when}: {error}"));
                    }
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap();
    for (what, least) in [("denies: Some", 6), ("shows: Some", 2), ("hides: Some", 2)] {
        let count = refused.iter().filter(|text| text.contains(what)).count();
        assert!(count >= least, "{what}: {refused:#?}");
    }
}

/// A folder that does not show everything, or more than there is.
#[derive(Clone, Debug)]
struct Partial {
    inner: Directory,
    /// No list has it.
    hides: Option<String>,
    /// It is said not to be there.
    denies: Option<String>,
    /// Lists have it, and it is not there.
    shows: Option<String>,
}

impl Partial {
    fn of(room: &Room) -> Self {
        Self { inner: room.store(), hides: None, denies: None, shows: None }
    }
}

impl Store for Partial {
    fn ready(&self) -> Answer<'_, ()> {
        self.inner.ready()
    }
    fn put<'a>(&'a self, name: &'a str, object: Bytes) -> Answer<'a, Put> {
        self.inner.put(name, object)
    }
    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Bytes>> {
        if self.denies.as_deref() == Some(name) { Box::pin(async { Ok(None) }) } else { self.inner.get(name) }
    }
    fn list<'a>(&'a self, front: &'a str) -> Answer<'a, Vec<Listed>> {
        Box::pin(async move {
            let mut listed = self.inner.list(front).await?;
            listed.retain(|listed| self.hides.as_deref() != Some(&listed.name));
            if let Some(name) = self.shows.clone().filter(|name| name.starts_with(front)) {
                listed.push(Listed { name, size: 1000 });
                listed.sort_by(|a, b| a.name.cmp(&b.name));
            }
            Ok(listed)
        })
    }
    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.inner.remove(name)
    }
    fn place(&self) -> String {
        self.inner.place()
    }
}
