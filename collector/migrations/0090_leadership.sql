-- Which collector leads: the one whose tasks judge, tell and delete. Several may use one database; the others serve pages, the API and
-- probes, and stand by. Each term of leadership has a number that only grows (`fence`), and every transaction of a task holds on to it.
CREATE TABLE leadership (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    fence     bigint NOT NULL DEFAULT 0,
    -- The process that leads; none where the last one ended in order.
    holder    uuid,
    -- Where it runs, for people.
    host      text NOT NULL DEFAULT '',
    -- Names of the keys in its ring, the newest last: who has others could not open what it seals.
    key_ids   text[] NOT NULL DEFAULT '{}',
    -- Rises every few seconds while the holder lives. Who stands by looks whether it does, and at no clock.
    beat      bigint NOT NULL DEFAULT 0,
    -- Both by the holder's time; the second is what those who stand by set theirs by.
    taken_at  bigint,
    beat_at   bigint
);
INSERT INTO leadership DEFAULT VALUES;

-- To be called at the beginning of a transaction of a task. Until it ends nobody takes the leadership over: who does so takes the same
-- lock alone (`store/leadership.rs`). Each statement here sees what was committed before it began, so that after the lock the number is
-- the newest.
CREATE FUNCTION hold_leadership(held bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    newest bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(24247);
    SELECT fence INTO newest FROM leadership;
    IF newest IS DISTINCT FROM held THEN
        RAISE EXCEPTION 'its term has the number %, and % is the newest', held, newest USING ERRCODE = 'PK001';
    END IF;
    -- Who looks at a row's change by a trigger can see whose it is.
    PERFORM set_config('picket.fence', held::text, true);
END $$;

GRANT SELECT ON leadership TO picket_app, picket_intake, picket_worker, picket_auth, picket_eraser;
GRANT UPDATE ON leadership TO picket_worker;

COMMENT ON COLUMN leadership.singleton IS 'subject=none; purpose=keeps it one row; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN leadership.fence IS 'subject=none; purpose=numbers the terms of leadership; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN leadership.holder IS 'subject=none; purpose=says which process leads; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN leadership.host IS 'subject=none; purpose=tells people where it runs; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN leadership.key_ids IS 'subject=none; purpose=says which keys its ring has; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN leadership.beat IS 'subject=none; purpose=shows that the holder lives; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN leadership.taken_at IS 'subject=none; purpose=tells since when it leads; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN leadership.beat_at IS 'subject=none; purpose=tells the time of the holder; retention=instance; export=no; erase=keep';
