-- What the judge decided, and the incidents that came of it.

-- One row a monitor. `dirty_at` is set by ingest when there is something new to judge; `due_at` is the judge's own timer.
CREATE TABLE states (
    org_id     bigint NOT NULL,
    monitor_id bigint PRIMARY KEY,
    state      text NOT NULL,
    since      bigint NOT NULL,
    -- The state's own payload, overlays, and what the judge must remember (domain::outage, stored as it serialises).
    data       jsonb NOT NULL,
    watch      boolean NOT NULL,
    dirty_at   bigint,
    due_at     bigint,
    judged_at  bigint,
    -- Raised with every decision: the judge updates only the row it read.
    revision   bigint NOT NULL DEFAULT 0,
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
) WITH (fillfactor = 70);
CREATE INDEX states_dirty ON states (dirty_at) WHERE dirty_at IS NOT NULL;
CREATE INDEX states_due ON states (due_at) WHERE due_at IS NOT NULL;
CALL secure_table('states', '{picket_intake,picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON states TO picket_app;
GRANT SELECT, UPDATE ON states TO picket_intake;
GRANT SELECT, INSERT, UPDATE ON states TO picket_worker;
GRANT SELECT ON states TO picket_reader;

-- What a monitor was judged to be, from when; a span ends where the next begins. Rows are only ever added.
CREATE TABLE spans (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id     bigint NOT NULL,
    monitor_id bigint NOT NULL,
    from_at    bigint NOT NULL,
    verdict    text NOT NULL,
    noted_at   bigint NOT NULL,
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CREATE INDEX spans_monitor ON spans (monitor_id, from_at, id);
CALL secure_table('spans', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT ON spans TO picket_worker;
GRANT SELECT ON spans TO picket_app, picket_reader;

CREATE TABLE incidents (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    uuid         uuid NOT NULL UNIQUE,
    org_id       bigint NOT NULL,
    monitor_id   bigint NOT NULL,
    started_at   bigint NOT NULL,
    confirmed_at bigint NOT NULL,
    resolved_at  bigint,
    resolution   text,
    failure      text NOT NULL,
    message      text NOT NULL,
    -- The votes by region and the evidence of the first failing check.
    detail       jsonb NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id),
    CONSTRAINT incidents_end_after_their_start CHECK (resolved_at IS NULL OR resolved_at >= started_at),
    CONSTRAINT incidents_resolved_with_a_reason CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX incidents_one_open ON incidents (monitor_id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_monitor ON incidents (monitor_id, started_at);
CALL secure_table('incidents', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON incidents TO picket_worker;
GRANT SELECT ON incidents TO picket_app, picket_reader;

-- The timeline of an incident; rows are only ever added.
CREATE TABLE incident_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id      bigint NOT NULL,
    incident_id bigint NOT NULL,
    at          bigint NOT NULL,
    event       text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (org_id, incident_id) REFERENCES incidents (org_id, id)
);
CREATE INDEX incident_events_incident ON incident_events (incident_id, at);
CALL secure_table('incident_events', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT ON incident_events TO picket_app, picket_worker;
GRANT SELECT ON incident_events TO picket_reader;
