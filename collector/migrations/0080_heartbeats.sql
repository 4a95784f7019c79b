-- How much a lost disk would cost, measured: a row every few seconds, and which of the rows before it were in the archive by then.
-- Times here are of the machine's own clock, by which PostgreSQL stamps its commits. Rows are never changed, only thinned.
CREATE TABLE heartbeats (
    counter bigint PRIMARY KEY,
    beat_at bigint NOT NULL,
    -- Where the log stood just before this row: every row before it was committed in front of that.
    lsn     bigint NOT NULL,
    -- When the last row was written that is known to be archived; NULL before the first is.
    safe_at bigint
);
CREATE INDEX heartbeats_beat_at ON heartbeats (beat_at);

GRANT SELECT, INSERT, DELETE ON heartbeats TO picket_worker;
GRANT SELECT ON heartbeats TO picket_auth;

COMMENT ON COLUMN heartbeats.counter IS 'subject=none; purpose=numbers the beats; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN heartbeats.beat_at IS 'subject=none; purpose=tells when the beat was written; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN heartbeats.lsn IS 'subject=none; purpose=tells where the log stood before the beat; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN heartbeats.safe_at IS 'subject=none; purpose=tells up to when everything was archived; retention=instance; export=no; erase=keep';
