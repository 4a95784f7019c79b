-- What has to be told, to which channels, and how each try went.

CREATE TABLE channels (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    uuid            uuid NOT NULL UNIQUE,
    org_id          bigint NOT NULL REFERENCES organizations (id),
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind            text NOT NULL,
    -- Whom it reaches, shortened for people: o***@example.org.
    hint            text NOT NULL,
    sealed_settings bytea NOT NULL,
    created_at      bigint NOT NULL,
    deleted_at      bigint,
    PRIMARY KEY (id),
    UNIQUE (org_id, id)
);
CREATE UNIQUE INDEX channels_org_name ON channels (org_id, name) WHERE deleted_at IS NULL;
CALL secure_table('channels', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON channels TO picket_app;
GRANT SELECT ON channels TO picket_worker;
GRANT SELECT (id, uuid, org_id, name, kind, hint, created_at, deleted_at) ON channels TO picket_reader;

-- Written in the transaction that made the transition.
CREATE TABLE notices (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    org_id        bigint NOT NULL,
    monitor_id    bigint NOT NULL,
    incident_id   bigint,
    kind          text NOT NULL,
    at            bigint NOT NULL,
    payload       jsonb NOT NULL,
    dispatched_at bigint,
    PRIMARY KEY (id),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id),
    FOREIGN KEY (org_id, incident_id) REFERENCES incidents (org_id, id)
);
CREATE UNIQUE INDEX notices_once ON notices (incident_id, kind) WHERE incident_id IS NOT NULL AND kind IN ('down', 'up');
CREATE INDEX notices_waiting ON notices (id) WHERE dispatched_at IS NULL;
CALL secure_table('notices', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON notices TO picket_worker;
GRANT SELECT ON notices TO picket_app, picket_reader;

CREATE TABLE deliveries (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    uuid        uuid NOT NULL UNIQUE,
    org_id      bigint NOT NULL,
    notice_id   bigint,
    channel_id  bigint NOT NULL,
    -- What is sent when there is no notice: a test message.
    payload     jsonb,
    state       text NOT NULL CHECK (state IN ('pending', 'sent', 'failed', 'superseded')),
    attempts    integer NOT NULL DEFAULT 0,
    next_at     bigint NOT NULL,
    leased_until bigint,
    created_at  bigint NOT NULL,
    ended_at    bigint,
    PRIMARY KEY (id),
    UNIQUE (org_id, id),
    UNIQUE (notice_id, channel_id),
    FOREIGN KEY (org_id, notice_id) REFERENCES notices (org_id, id),
    FOREIGN KEY (org_id, channel_id) REFERENCES channels (org_id, id),
    CONSTRAINT deliveries_say_something CHECK (notice_id IS NOT NULL OR payload IS NOT NULL),
    CONSTRAINT deliveries_end CHECK ((state = 'pending') = (ended_at IS NULL))
);
CREATE INDEX deliveries_waiting ON deliveries (next_at) WHERE state = 'pending';
CALL secure_table('deliveries', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT ON deliveries TO picket_app;
GRANT SELECT, INSERT, UPDATE ON deliveries TO picket_worker;
GRANT SELECT ON deliveries TO picket_reader;

CREATE TABLE delivery_attempts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id      bigint NOT NULL,
    delivery_id bigint NOT NULL,
    at          bigint NOT NULL,
    took_us     bigint NOT NULL,
    result      text NOT NULL CHECK (result IN ('sent', 'retry', 'failed')),
    -- The provider's answer, shortened, without secrets.
    answer      text NOT NULL,
    FOREIGN KEY (org_id, delivery_id) REFERENCES deliveries (org_id, id)
);
CREATE INDEX delivery_attempts_delivery ON delivery_attempts (delivery_id, at);
CALL secure_table('delivery_attempts', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT ON delivery_attempts TO picket_worker;
GRANT SELECT ON delivery_attempts TO picket_app, picket_reader;
