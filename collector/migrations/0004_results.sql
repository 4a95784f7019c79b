-- What checks found: the one family of tables that grows. Reached only through store::results.

CREATE TABLE results (
    org_id      bigint NOT NULL,
    monitor_id  bigint NOT NULL,
    region_id   bigint NOT NULL,
    probe_id    bigint NOT NULL,
    at          bigint NOT NULL,
    received_at bigint NOT NULL,
    version     integer NOT NULL,
    trigger     "char" NOT NULL,
    status      "char" NOT NULL,
    self_check  "char" NOT NULL,
    failure     text,
    code        smallint,
    late_us     integer NOT NULL,
    total_us    integer NOT NULL,
    resolve_us  integer,
    connect_us  integer,
    tls_us      integer,
    send_us     integer,
    wait_us     integer,
    receive_us  integer,
    fold_last   bigint,
    fold_count  integer,
    fold_min_us integer,
    fold_avg_us integer,
    fold_max_us integer,
    -- Message, evidence, hops, certificate, answers, address: whatever is not in every row.
    detail      jsonb
) PARTITION BY RANGE (at);
-- Not unique: receipts make batches exactly-once, and readers keep the first stored of (monitor, region, at, trigger).
CREATE INDEX results_monitor_at ON results (monitor_id, at);
CALL secure_table('results', '{picket_intake,picket_worker,picket_backup}');
GRANT INSERT ON results TO picket_intake;
GRANT SELECT ON results TO picket_app, picket_reader, picket_worker;

-- Where a monitor's result in a region differs from the one before: what the judge works from.
CREATE TABLE changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id      bigint NOT NULL,
    monitor_id  bigint NOT NULL,
    region_id   bigint NOT NULL REFERENCES regions (id),
    at          bigint NOT NULL,
    received_at bigint NOT NULL,
    version     integer NOT NULL,
    trigger     text NOT NULL,
    status      text NOT NULL,
    failure     text,
    fails       smallint NOT NULL,
    oks         smallint NOT NULL,
    self_check  text NOT NULL,
    detail      jsonb,
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CREATE INDEX changes_monitor_at ON changes (monitor_id, at);
CALL secure_table('changes', '{picket_intake,picket_worker,picket_backup}');
GRANT SELECT, INSERT ON changes TO picket_intake;
GRANT SELECT, DELETE ON changes TO picket_worker;
GRANT SELECT ON changes TO picket_app, picket_reader;

-- The current run of results of a monitor in a region. Not touched while all is well.
CREATE TABLE region_states (
    org_id       bigint NOT NULL,
    monitor_id   bigint NOT NULL,
    region_id    bigint NOT NULL REFERENCES regions (id),
    version      integer NOT NULL,
    status       text NOT NULL,
    failure      text,
    message      text,
    fails        smallint NOT NULL,
    oks          smallint NOT NULL,
    since        bigint NOT NULL,
    last_at      bigint NOT NULL,
    last_trigger text NOT NULL,
    self_check   text NOT NULL,
    received_at  bigint NOT NULL,
    PRIMARY KEY (monitor_id, region_id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
) WITH (fillfactor = 70);
CALL secure_table('region_states', '{picket_intake,picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON region_states TO picket_intake;
GRANT SELECT, DELETE ON region_states TO picket_worker;
GRANT SELECT ON region_states TO picket_app, picket_reader;

-- Slots without an outcome, as ranges (from_at, to_at] with a reason. A silent probe is one row with neither monitor nor
-- organization, expanded at read time; to_at NULL means that it is silent still.
CREATE TABLE gaps (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id     bigint REFERENCES organizations (id),
    monitor_id bigint,
    region_id  bigint NOT NULL REFERENCES regions (id),
    probe_id   bigint REFERENCES probes (id),
    from_at    bigint NOT NULL,
    to_at      bigint,
    reason     text NOT NULL,
    noted_at   bigint NOT NULL,
    CONSTRAINT gaps_monitor_has_org CHECK ((monitor_id IS NULL) = (org_id IS NULL)),
    CONSTRAINT gaps_run_forward CHECK (to_at IS NULL OR to_at >= from_at),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CREATE INDEX gaps_monitor ON gaps (monitor_id, from_at);
CREATE INDEX gaps_region ON gaps (region_id, from_at) WHERE monitor_id IS NULL;
CREATE UNIQUE INDEX gaps_one_open_a_probe ON gaps (probe_id) WHERE monitor_id IS NULL AND to_at IS NULL;
ALTER TABLE gaps ENABLE ROW LEVEL SECURITY;
ALTER TABLE gaps FORCE ROW LEVEL SECURITY;
-- Rows of a whole probe hold nothing of a tenant; every tenant may see that a region was silent.
CREATE POLICY tenant ON gaps FOR SELECT TO picket_app, picket_reader USING (org_id = current_org() OR org_id IS NULL);
CREATE POLICY all_rows ON gaps TO picket_intake, picket_worker, picket_backup USING (true) WITH CHECK (true);
GRANT SELECT ON gaps TO picket_app, picket_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON gaps TO picket_intake, picket_worker;
