//! One database, several clusters: each upgrade to another major version begins a path of its own in the archive, which names the one
//! before it. A restore takes the path that covers its time; a path is let go of once no time of the window lies on it.

use std::collections::BTreeSet;
use std::time::Duration;

use picket_shared::time::Timestamp;

use super::catalogue;
use super::chain;
use super::engine::{self, Whose};
use super::inventory::Inventory;
use super::memory::Memory;
use super::owner::{self, Origin, Owner};
use super::shelf::{ArchiveError, Shelf, SystemId};

/// One path, and whose it is.
#[derive(Clone, Debug)]
pub struct Link {
    /// What lies on it.
    pub shelf: Shelf,
    /// Whose it is.
    pub owner: Owner,
}

/// The path of a cluster and those before it that are still there, the newest first.
///
/// # Errors
/// When the store does not answer.
pub async fn back_from(shelf: &Shelf) -> Result<Vec<Link>, ArchiveError> {
    let (mut links, mut next) = (Vec::<Link>::new(), Some(shelf.clone()));
    while let Some(shelf) = next {
        let Some(owner) = owner::read(&shelf).await? else { break };
        next = owner.follows.map(|origin| shelf.of(SystemId(origin.system)));
        links.push(Link { shelf, owner });
        next = next.filter(|next| links.iter().all(|link| link.shelf.system() != next.system()));
    }
    Ok(links)
}

/// The path on which a time lies.
///
/// # Errors
/// When it lies on one that is not there any more.
pub fn leading_to(links: &[Link], time: Timestamp) -> Result<Option<&Link>, ArchiveError> {
    for (link, before) in links.iter().zip(links.iter().skip(1).map(Some).chain([None])) {
        match link.owner.follows {
            Some(origin) if time < origin.at && before.is_none() => {
                return Err(ArchiveError::other(format!(
                    "this time lies before the upgrade to PostgreSQL {} at {}, and {} holds nothing of the cluster that was the \
                     database until then ({})",
                    link.owner.major,
                    origin.at,
                    link.shelf.place(),
                    SystemId(origin.system)
                )));
            }
            Some(origin) if time < origin.at => {}
            _ => return Ok(Some(link)),
        }
    }
    Ok(None)
}

/// Of the clusters in a store those that are the database now: no other came from them by an upgrade, or a restored copy of them goes on.
///
/// # Errors
/// When the store does not answer.
pub async fn newest(shelf: &Shelf, systems: &[SystemId]) -> Result<Vec<SystemId>, ArchiveError> {
    let mut ended = BTreeSet::new();
    for (_, owner) in owners(shelf, systems).await {
        if let Some(origin) = owner.follows
            && !goes_on(&shelf.of(SystemId(origin.system)), &origin).await?
        {
            ended.insert(SystemId(origin.system));
        }
    }
    Ok(systems.iter().filter(|system| !ended.contains(*system)).copied().collect())
}

/// Every cluster that one database was or became, by upgrades from or to that of a shelf.
///
/// # Errors
/// When the store does not answer.
pub async fn family(shelf: &Shelf) -> Result<Vec<Shelf>, ArchiveError> {
    let owners = owners(shelf, &shelf.neighbours().await?).await;
    let mut found = BTreeSet::from([shelf.system()]);
    loop {
        let before = found.len();
        for (system, owner) in &owners {
            let Some(origin) = owner.follows.map(|origin| SystemId(origin.system)) else { continue };
            if found.contains(system) || found.contains(&origin) {
                found.extend([*system, origin]);
            }
        }
        if found.len() == before {
            return Ok(found.into_iter().map(|system| shelf.of(system)).collect());
        }
    }
}

/// Whether a cluster is still somebody's database after an upgrade: a restored copy of it, or itself again because somebody went back.
async fn goes_on(shelf: &Shelf, origin: &Origin) -> Result<bool, ArchiveError> {
    if owner::goes_on(shelf, origin.timeline).await? {
        return Ok(true);
    }
    let listed = shelf.list("base/").await?;
    let mut ids = listed.iter().filter_map(|listed| listed.name.strip_prefix("base/")?.split('/').next());
    Ok(ids.any(|id| catalogue::began(id).is_some_and(|began| began > origin.at)))
}

/// Who owns what; what cannot be opened is another's.
async fn owners(shelf: &Shelf, systems: &[SystemId]) -> Vec<(SystemId, Owner)> {
    let mut found = Vec::new();
    for system in systems {
        if let Ok(Some(owner)) = owner::read(&shelf.of(*system)).await {
            found.push((*system, owner));
        }
    }
    found
}

/// What restores are to be possible to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    /// Whose turns are taken.
    pub(super) memory: &'a Memory,
    /// How far it goes back.
    pub(super) keep: Duration,
    /// Where it ends.
    pub(super) now: Timestamp,
}

/// Lets go of what no restore within the window needs of the paths before that of the cluster that runs: piece by piece as long as the
/// window reaches back to them, and then of all of it, the oldest path first. How many objects.
///
/// A path on which a restored copy goes on is its own.
///
/// # Errors
/// When the store fails, or a path is not what was written down.
pub(super) async fn let_go(shelf: &Shelf, window: &Window<'_>) -> Result<usize, ArchiveError> {
    let links = back_from(shelf).await?;
    let (mut is_covered, mut needless, mut count) = (false, Vec::new(), 0);
    for (newer, older) in links.iter().zip(links.iter().skip(1)) {
        let Some(origin) = newer.owner.follows else { break };
        if goes_on(&older.shelf, &origin).await? {
            break;
        }
        is_covered = is_covered || covers(&newer.shelf, window.now - window.keep).await?;
        if is_covered {
            needless.push(older);
        } else {
            count += engine::expire(&older.shelf, Whose::Earlier(window.memory), window.keep, window.now).await?;
        }
    }
    for link in needless.into_iter().rev() {
        let _turn = window.memory.turn().await?;
        let removed = remove(&link.shelf).await?;
        tracing::info!(
            "Let go of the cluster of PostgreSQL {} ({}) in the archive: every second of the window can be restored without it",
            link.owner.major,
            link.shelf.system()
        );
        count += removed;
    }
    Ok(count)
}

/// Whether every time from then on can be restored from that path alone.
async fn covers(shelf: &Shelf, since: Timestamp) -> Result<bool, ArchiveError> {
    let Inventory { backups, segments, path, .. } = Inventory::take(shelf).await?;
    let first = catalogue::choose(&backups, &path, Some(since));
    Ok(first.is_some_and(|backup| catalogue::hole(backup, &path, &segments).is_none()))
}

/// Removes all of a path. Whose it is goes last: what is left of a path that is half removed is found again.
async fn remove(shelf: &Shelf) -> Result<usize, ArchiveError> {
    let mut places: Vec<String> = shelf.list("").await?.into_iter().map(|listed| listed.name).collect();
    places.sort_by_cached_key(|place| match place.as_str() {
        owner::PLACE => 3,
        place if chain::is_manifest(place) => 2,
        place if place.ends_with("/backup") => 0,
        _ => 1,
    });
    for place in &places {
        shelf.remove(place).await?;
    }
    Ok(places.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::archive::chain::tests::{put_day, shelf};
    use crate::ops::archive::engine::{expire_all, note};
    use crate::ops::archive::verify;
    use crate::ops::archive::wal::WalFile;
    use std::collections::BTreeMap;

    const DAY: Duration = Duration::from_secs(86_400);
    const OLD: SystemId = SystemId(6);
    const NEW: SystemId = SystemId(7);

    fn day(number: u32) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000) + DAY * number
    }

    /// A path with a base backup and a segment of each of these days.
    async fn fill(shelf: &Shelf, owner: Owner, days: impl Iterator<Item = u32>) {
        shelf.keep(owner::PLACE, serde_json::to_vec(&owner).unwrap()).await.unwrap();
        for number in days {
            put_day(shelf, owner.major, u64::from(number), day(number)).await;
        }
    }

    /// An old path of days 1 to 20, and a new one that follows it from then to day `until`; all of it written down.
    async fn upgraded(until: u32) -> (tempfile::TempDir, Shelf, Shelf) {
        let (folder, new) = shelf();
        assert_eq!(new.system(), NEW);
        let old = new.of(OLD);
        let memory = Memory::in_folder(folder.path());
        fill(&old, Owner { major: 15, since: day(1), follows: None }, 1..=20).await;
        note(&old, &memory, BTreeMap::new(), day(20)).await.unwrap();
        let origin = Origin { system: OLD.0, major: 15, timeline: 1, at: day(20) + DAY / 2 };
        fill(&new, Owner { major: 16, since: origin.at, follows: Some(origin) }, 21..=until).await;
        note(&new, &memory, BTreeMap::new(), day(until)).await.unwrap();
        (folder, new, old)
    }

    #[tokio::test]
    async fn a_time_lies_on_one_path_and_one_before_all_of_them_on_none() {
        let (_folder, new, old) = upgraded(22).await;
        let links = back_from(&new).await.unwrap();
        let on = |time| leading_to(&links, time).unwrap().map(|link| link.shelf.system());
        assert_eq!(on(day(20)), Some(OLD));
        assert_eq!(on(day(20) + DAY / 2), Some(NEW));
        assert_eq!(on(day(30)), Some(NEW));
        assert_eq!(on(day(0)), Some(OLD), "what the oldest does not hold it says itself");
        let error = leading_to(&links[..1], day(20)).unwrap_err().to_string();
        assert!(error.contains("before the upgrade to PostgreSQL 16") && error.contains("holds nothing"), "{error}");
        assert_eq!(newest(&new, &[OLD, NEW]).await.unwrap(), [NEW]);
        assert_eq!(family(&old).await.unwrap().len(), 2);
        old.keep(&WalFile::History(2).place(), b"1\t0/300000\tbefore\n".to_vec()).await.unwrap();
        assert_eq!(newest(&new, &[OLD, NEW]).await.unwrap(), [OLD, NEW], "a restored copy goes on");
        old.remove(&WalFile::History(2).place()).await.unwrap();
        assert_eq!(newest(&new, &[OLD, NEW]).await.unwrap(), [NEW]);
        old.keep(&catalogue::part(&catalogue::id(day(21), [0, 0]), 0), b"part".to_vec()).await.unwrap();
        assert_eq!(newest(&new, &[OLD, NEW]).await.unwrap(), [OLD, NEW], "somebody went back");
    }

    /// Every restore within the window of `keep` days that was possible is possible, from the same backup.
    #[tokio::test]
    async fn the_path_before_an_upgrade_goes_piece_by_piece_and_all_of_it_once_the_window_has_passed() {
        const KEEP: u32 = 10;
        for until in 21..=40 {
            let (folder, new, old) = upgraded(until).await;
            let memory = Memory::in_folder(folder.path());
            let (before, now) = (back_from(&new).await.unwrap(), day(until));
            let mut chosen = Vec::new();
            let begins = until - KEEP;
            for half in begins * 2..=until * 2 {
                let time = day(0) + DAY / 2 * half;
                let link = leading_to(&before, time).unwrap().unwrap();
                let Inventory { backups, path, .. } = Inventory::take(&link.shelf).await.unwrap();
                if let Some(backup) = catalogue::choose(&backups, &path, Some(time)) {
                    chosen.push((time, link.shelf.system(), backup.id.clone()));
                }
            }
            let keep = DAY * KEEP;
            expire_all(&new, &memory, keep, now).await.unwrap();
            let after = back_from(&new).await.unwrap();
            for (time, system, id) in &chosen {
                let link = leading_to(&after, *time).unwrap().unwrap();
                assert_eq!(link.shelf.system(), *system, "until {until}");
                let found = Inventory::take(&link.shelf).await.unwrap();
                let backup = catalogue::choose(&found.backups, &found.path, Some(*time)).unwrap();
                assert_eq!((&backup.id, catalogue::hole(backup, &found.path, &found.segments)), (id, None));
            }
            let left = old.list("").await.unwrap();
            if until - 21 >= KEEP {
                assert_eq!(left.len(), 0, "until {until}");
            } else {
                let backups = left.iter().filter(|listed| listed.name.ends_with("/backup")).count();
                let wanted = usize::try_from(20_u32.saturating_sub(begins) + 1).unwrap().max(2);
                assert_eq!(backups, wanted, "until {until}: no older ones than the window needs, two at least");
                let verdict = verify::verify(&old, &memory, true, &|_| {}).await.unwrap();
                assert_eq!(verdict.wrong, Vec::<String>::new());
            }
            assert_eq!(expire_all(&new, &memory, keep, now).await.unwrap(), 0, "until {until}");
        }
    }

    #[tokio::test]
    async fn a_path_on_which_a_restored_copy_goes_on_is_left_alone_and_a_half_removed_one_is_finished() {
        let (folder, new, old) = upgraded(40).await;
        let memory = Memory::in_folder(folder.path());
        let copy = WalFile::History(2).place();
        old.keep(&copy, b"1\t0/300000\tbefore\n".to_vec()).await.unwrap();
        let before = old.list("").await.unwrap().len();
        expire_all(&new, &memory, DAY * 10, day(40)).await.unwrap();
        assert_eq!(old.list("").await.unwrap().len(), before);
        old.remove(&copy).await.unwrap();
        let half: Vec<_> =
            old.list("").await.unwrap().into_iter().filter(|listed| listed.name != owner::PLACE).collect();
        for listed in half.iter().step_by(2) {
            old.remove(&listed.name).await.unwrap();
        }
        assert!(expire_all(&new, &memory, DAY * 10, day(40)).await.unwrap() > 0);
        assert_eq!(old.list("").await.unwrap().len(), 0);
    }
}
