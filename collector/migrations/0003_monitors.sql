-- What is watched, and by which regions.

-- Counts every change to what probes run. Taking the next number locks the row until commit,
-- so numbers become visible in order and no poll can step over one.
CREATE TABLE assignment_clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version   bigint NOT NULL
);
INSERT INTO assignment_clock (version) VALUES (1);

CREATE TABLE monitors (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    uuid          uuid NOT NULL UNIQUE,
    org_id        bigint NOT NULL REFERENCES organizations (id),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind          text NOT NULL,
    target        text NOT NULL,
    spec          jsonb NOT NULL,
    sealed_secret bytea,
    interval_s    integer NOT NULL CHECK (interval_s BETWEEN 5 AND 86400),
    timeout_ms    integer NOT NULL CHECK (timeout_ms BETWEEN 100 AND 120000),
    quorum        jsonb,
    eu_only       boolean NOT NULL DEFAULT false,
    tags          text[] NOT NULL DEFAULT '{}',
    version       integer NOT NULL DEFAULT 1,
    assigned_at_version bigint NOT NULL,
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL,
    paused_at     bigint,
    deleted_at    bigint,
    PRIMARY KEY (id),
    UNIQUE (org_id, id),
    CONSTRAINT monitors_timeout_below_interval CHECK (timeout_ms < interval_s * 1000)
);
CREATE UNIQUE INDEX monitors_org_name ON monitors (org_id, name) WHERE deleted_at IS NULL;
CREATE INDEX monitors_assigned ON monitors (assigned_at_version);
CREATE INDEX monitors_tags ON monitors USING gin (tags);

CREATE TABLE monitor_regions (
    org_id     bigint NOT NULL,
    monitor_id bigint NOT NULL,
    region_id  bigint NOT NULL REFERENCES regions (id),
    PRIMARY KEY (monitor_id, region_id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CREATE INDEX monitor_regions_region ON monitor_regions (region_id);

-- Checks that the judge wants at once; handed to the region's probe with its next poll.
CREATE TABLE rechecks (
    uuid       uuid PRIMARY KEY,
    org_id     bigint NOT NULL,
    monitor_id bigint NOT NULL,
    region_id  bigint NOT NULL REFERENCES regions (id),
    asked_at   bigint NOT NULL,
    due_at     bigint NOT NULL,
    taken_at   bigint,
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CREATE INDEX rechecks_waiting ON rechecks (region_id, due_at) WHERE taken_at IS NULL;

CALL secure_table('monitors', '{picket_intake,picket_worker,picket_backup}');
CALL secure_table('monitor_regions', '{picket_intake,picket_worker,picket_backup}');
CALL secure_table('rechecks', '{picket_intake,picket_worker,picket_backup}');
GRANT SELECT, UPDATE ON assignment_clock TO picket_app, picket_auth, picket_worker;
GRANT SELECT ON assignment_clock TO picket_intake;
GRANT SELECT, INSERT, UPDATE ON monitors TO picket_app;
GRANT SELECT, INSERT, DELETE ON monitor_regions TO picket_app;
GRANT SELECT ON monitors, monitor_regions TO picket_reader, picket_intake, picket_worker;
GRANT SELECT, INSERT ON rechecks TO picket_app;
GRANT SELECT, UPDATE ON rechecks TO picket_intake;
GRANT SELECT, INSERT, DELETE ON rechecks TO picket_worker;
