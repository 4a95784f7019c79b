//! A world whose collector archives its database into a folder, and what is done with that archive.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::postgres::Postgres;
use crate::wait;
use crate::world::World;

/// A local world with an archive, to which WAL goes every five seconds.
pub fn archiving() -> World {
    let mut world = World::local();
    let directory = folder(&world).join("archive");
    let section = format!("[archive]\ndirectory = \"{}\"\nswitch_seconds = 5\n[log]\n", directory.display());
    world.collector.restarts_with("[log]\n", &section);
    world
}

/// Where data, keys and the archive lie.
pub fn folder(world: &World) -> PathBuf {
    world.collector.keys().parent().unwrap().to_owned()
}

/// The first base backup, once there is one.
pub fn first_backup(world: &World) -> Value {
    wait::until("the first base backup", Duration::from_secs(90), || {
        let listed = world.collector.command(&["backup", "list", "--json"])?;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed["backups"].get(0).cloned().ok_or_else(|| world.collector.log())
    })
}

/// Waits until everything that is committed is in the archive.
pub fn archived(postgres: &Postgres) {
    // Something later is committed, so that a restore to the last row's time finds where to stop.
    postgres.run("SELECT pg_current_xact_id()").unwrap();
    let segment = postgres.run("SELECT pg_walfile_name(pg_switch_wal())").unwrap();
    wait::until("the archiver", Duration::from_secs(150), || {
        let rows = postgres.rows("SELECT last_archived_wal FROM pg_stat_archiver").unwrap();
        let last = rows[0]["last_archived_wal"].as_str().unwrap_or_default().to_owned();
        if last.get(..24) >= Some(segment.as_str()) { Ok(()) } else { Err((last, segment.clone())) }
    });
}

/// Restores into a folder; gives what the command says.
pub fn restore(world: &World, time: &str, into: &Path) -> Value {
    world.collector.json(&["restore", "--to-time", time, "--into", text(into)])
}

/// Arms a copy, runs the collector on it without an archive, so that the archive stays as it is, and looks at its database.
pub fn look_at_armed<T>(world: &mut World, data: &Path, look: impl FnOnce(&Postgres) -> T) -> T {
    world.collector.run(&["restore", "--arm", "--into", text(data)]);
    world.collector.lives_in(data);
    let directory = format!("directory = \"{}\"\n", folder(world).join("archive").display());
    world.collector.is_told(&directory, "");
    world.collector.starts();
    let seen = look(&world.collector.postgres());
    world.collector.crashes_under_systemd();
    world.collector.is_told("[archive]\n", &format!("[archive]\n{directory}"));
    seen
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
