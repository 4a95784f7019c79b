-- The collector's clock: what became of it when the machine's was set, and what must move when it is set back.

ALTER TABLE instance
    ADD COLUMN clock_held_us         bigint NOT NULL DEFAULT 0,
    ADD COLUMN clock_stepped_at      bigint,
    ADD COLUMN clock_stepped_us      bigint,
    ADD COLUMN retention_waits_until bigint;
COMMENT ON COLUMN instance.clock_held_us IS 'subject=none; purpose=tells commands how far the time of the running collector is ahead of its machine; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.clock_stepped_at IS 'subject=none; purpose=tells when the clock of the collector last stepped; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.clock_stepped_us IS 'subject=none; purpose=tells how far the clock of the collector last stepped; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.retention_waits_until IS 'subject=none; purpose=keeps a clock that leapt from deleting what is not old; retention=instance; export=no; erase=keep';

-- The worker may change the times of rows that are only ever added, and nothing else of them: store::clock::set_back.
GRANT SELECT ON probe_boots TO picket_worker;
GRANT UPDATE (managed_by_consent_at, created_at, deleted_at) ON organizations TO picket_worker;
GRANT UPDATE (created_at) ON regions TO picket_worker;
GRANT UPDATE (created_at, revoked_at) ON probes TO picket_worker;
GRANT UPDATE (hello_at, seen_at, batch_at, through, clock_offset_us) ON probe_status TO picket_worker;
GRANT UPDATE (hello_at) ON probe_boots TO picket_worker;
GRANT UPDATE (not_before, not_after) ON probe_keys TO picket_worker;
GRANT UPDATE (expires_at) ON probe_requests TO picket_worker;
GRANT UPDATE (created_at, updated_at, paused_at, deleted_at) ON monitors TO picket_worker;
GRANT UPDATE (asked_at, due_at, taken_at) ON rechecks TO picket_worker;
GRANT UPDATE (at, received_at, fold_last) ON results TO picket_worker;
GRANT UPDATE (at, received_at) ON changes TO picket_worker;
GRANT UPDATE (since, last_at, received_at) ON region_states TO picket_worker;
GRANT UPDATE (from_at, noted_at) ON spans TO picket_worker;
GRANT UPDATE (at) ON incident_events TO picket_worker;
GRANT UPDATE (created_at, deleted_at) ON channels TO picket_worker;
GRANT UPDATE (at) ON delivery_attempts TO picket_worker;
