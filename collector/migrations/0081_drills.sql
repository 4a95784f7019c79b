-- Restores that were tried, and what came of each. Times are of the machine's own clock, but those that a copy was restored to, which
-- are PostgreSQL's own. A row that is still running when the next drill begins was broken off.
CREATE TABLE drills (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began_at       bigint NOT NULL,
    ended_at       bigint,
    outcome        text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'passed', 'failed', 'broken_off')),
    -- Who asked for it: `schedule`, `command`.
    asked_by       text NOT NULL,
    -- Whether it was made from a recovery kit and the store alone.
    by_kit         boolean NOT NULL,
    restored_to_at bigint,
    backup         text,
    -- From its beginning until the copy could be used.
    restore_ms     bigint,
    total_ms       bigint,
    bytes          bigint,
    wal_bytes      bigint,
    row_count      bigint,
    -- Step by step, in words.
    steps          jsonb NOT NULL DEFAULT '[]',
    CONSTRAINT drills_ended CHECK ((outcome = 'running') = (ended_at IS NULL))
);
CREATE INDEX drills_began_at ON drills (began_at);

-- That a recovery kit was shown to open, to hold every key of that time, and to read the store.
CREATE TABLE recovery_proofs (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proven_at bigint NOT NULL,
    -- Names of the keys in the kit, as the key ring has them.
    key_ids   text[] NOT NULL,
    -- Where the backups are that it read.
    place     text NOT NULL,
    backup    text NOT NULL
);

GRANT SELECT, INSERT ON drills TO picket_worker;
GRANT UPDATE (ended_at, outcome, restored_to_at, backup, restore_ms, total_ms, bytes, wal_bytes, row_count, steps) ON drills TO picket_worker;
GRANT SELECT, INSERT ON recovery_proofs TO picket_worker;
GRANT SELECT ON drills, recovery_proofs TO picket_auth;

COMMENT ON COLUMN drills.id IS 'subject=none; purpose=numbers the drills; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.began_at IS 'subject=none; purpose=tells when the drill began; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.ended_at IS 'subject=none; purpose=tells when the drill ended; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.outcome IS 'subject=none; purpose=says what came of the drill; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.asked_by IS 'subject=none; purpose=says whether the schedule or a command asked for it; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.by_kit IS 'subject=none; purpose=says whether it was made from a recovery kit alone; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.restored_to_at IS 'subject=none; purpose=tells to which second it restored; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.backup IS 'subject=none; purpose=names the base backup that it began with; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.restore_ms IS 'subject=none; purpose=measures how long a restore takes; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.total_ms IS 'subject=none; purpose=measures how long the drill took; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.bytes IS 'subject=none; purpose=measures how much was unpacked; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.wal_bytes IS 'subject=none; purpose=measures how much of the log was replayed; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.row_count IS 'subject=none; purpose=counts the rows of the copy; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN drills.steps IS 'subject=none; purpose=says step by step what was found; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN recovery_proofs.id IS 'subject=none; purpose=numbers the proofs; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN recovery_proofs.proven_at IS 'subject=none; purpose=tells when the kit was proven; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN recovery_proofs.key_ids IS 'subject=none; purpose=says which keys the kit held; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN recovery_proofs.place IS 'subject=none; purpose=says which store the kit read; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN recovery_proofs.backup IS 'subject=none; purpose=names the base backup that the kit opened; retention=instance; export=no; erase=keep';
