-- Windows of maintenance, and their occurrences as instants: the judge reads the occurrences alone.

CREATE TABLE maintenances (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    uuid          uuid NOT NULL UNIQUE,
    org_id        bigint NOT NULL REFERENCES organizations (id),
    title         text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    note          text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    -- A local time of the zone, and how it repeats.
    zone          text NOT NULL,
    start         text NOT NULL,
    duration_s    integer NOT NULL CHECK (duration_s BETWEEN 60 AND 2678400),
    rule          text CHECK (length(rule) <= 500),
    exceptions    text[] NOT NULL DEFAULT '{}',
    scope         text NOT NULL CHECK (scope IN ('all', 'monitors', 'tags')),
    tags          text[] NOT NULL DEFAULT '{}',
    holds_alerts  boolean NOT NULL,
    shows_on_page boolean NOT NULL,
    counts_as     text NOT NULL CHECK (counts_as IN ('maintenance', 'normal')),
    announce_before_s integer CHECK (announce_before_s BETWEEN 0 AND 2678400),
    -- As in the audit log.
    created_by    text NOT NULL,
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL,
    deleted_at    bigint,
    -- When the collector looks at it next; never again where there is none.
    due_at        bigint,
    PRIMARY KEY (id),
    UNIQUE (org_id, id),
    CHECK ((scope = 'tags') = (tags <> '{}'))
);
CREATE INDEX maintenances_due ON maintenances (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX maintenances_org ON maintenances (org_id, uuid);
CALL secure_table('maintenances', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE (title, note, zone, start, duration_s, rule, exceptions, scope, tags, holds_alerts, shows_on_page, counts_as,
    announce_before_s, updated_at, deleted_at, due_at) ON maintenances TO picket_app;
GRANT SELECT, UPDATE (created_at, updated_at, deleted_at, due_at) ON maintenances TO picket_worker;
GRANT SELECT ON maintenances TO picket_reader;

CREATE TABLE maintenance_monitors (
    org_id         bigint NOT NULL,
    maintenance_id bigint NOT NULL,
    monitor_id     bigint NOT NULL,
    PRIMARY KEY (maintenance_id, monitor_id),
    FOREIGN KEY (org_id, maintenance_id) REFERENCES maintenances (org_id, id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CREATE INDEX maintenance_monitors_monitor ON maintenance_monitors (monitor_id);
CALL secure_table('maintenance_monitors', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE ON maintenance_monitors TO picket_app;
GRANT SELECT ON maintenance_monitors TO picket_worker, picket_reader;

-- Those that run, are over, or come next. Each edge is passed once.
CREATE TABLE maintenance_occurrences (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id         bigint NOT NULL,
    maintenance_id bigint NOT NULL,
    starts_at      bigint NOT NULL,
    -- Brought forward where somebody ended it early.
    ends_at        bigint NOT NULL CHECK (ends_at >= starts_at),
    announced      boolean NOT NULL DEFAULT false,
    began          boolean NOT NULL DEFAULT false,
    ended          boolean NOT NULL DEFAULT false,
    -- It was announced, and will not be.
    called_off     boolean NOT NULL DEFAULT false,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, maintenance_id) REFERENCES maintenances (org_id, id)
);
CREATE UNIQUE INDEX maintenance_occurrences_once ON maintenance_occurrences (maintenance_id, starts_at) WHERE NOT called_off;
CREATE INDEX maintenance_occurrences_time ON maintenance_occurrences (org_id, ends_at, starts_at);
CALL secure_table('maintenance_occurrences', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE, UPDATE (ends_at, called_off) ON maintenance_occurrences TO picket_app;
GRANT SELECT, INSERT, UPDATE (ends_at, announced, began, ended) ON maintenance_occurrences TO picket_worker;
GRANT SELECT ON maintenance_occurrences TO picket_reader;

-- Whether a window is of a monitor.
CREATE FUNCTION maintains(maintenance bigint, scope text, wanted text[], monitor bigint, tags text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT scope = 'all' OR scope = 'tags' AND wanted && tags
        OR scope = 'monitors' AND EXISTS (SELECT FROM maintenance_monitors mm WHERE mm.maintenance_id = maintenance AND mm.monitor_id = monitor)
$$;

-- It is announced without a monitor.
ALTER TABLE notices
    ADD COLUMN occurrence_id bigint,
    ADD CONSTRAINT notices_occurrence FOREIGN KEY (org_id, occurrence_id) REFERENCES maintenance_occurrences (org_id, id),
    DROP CONSTRAINT notices_about,
    ADD CONSTRAINT notices_about CHECK (num_nonnulls(monitor_id, incident_id, occurrence_id) > 0);
CREATE UNIQUE INDEX notices_occurrence_once ON notices (occurrence_id, kind) WHERE occurrence_id IS NOT NULL;

COMMENT ON COLUMN maintenances.id IS 'subject=tenant; purpose=is the row''s own number; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenances.uuid IS 'subject=tenant; purpose=names it outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenances.title IS 'subject=tenant; purpose=says what it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.note IS 'subject=tenant; purpose=says what is to be known of it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.zone IS 'subject=tenant; purpose=says by whose clocks it begins; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.start IS 'subject=tenant; purpose=says when it first begins; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.duration_s IS 'subject=tenant; purpose=says how long it takes; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.rule IS 'subject=tenant; purpose=says how it repeats; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.exceptions IS 'subject=tenant; purpose=says when it is left out; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.scope IS 'subject=tenant; purpose=says which monitors it is of; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.tags IS 'subject=tenant; purpose=says which monitors it is of; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.holds_alerts IS 'subject=tenant; purpose=says whether alerts are withheld; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.shows_on_page IS 'subject=tenant; purpose=says whether status pages show it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.counts_as IS 'subject=tenant; purpose=says as what its time counts; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.announce_before_s IS 'subject=tenant; purpose=says when it is announced; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.created_by IS 'subject=user; purpose=tells who made it; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN maintenances.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.updated_at IS 'subject=tenant; purpose=tells when it was last changed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.deleted_at IS 'subject=tenant; purpose=tells when it was deleted; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenances.due_at IS 'subject=tenant; purpose=says when the collector looks at it next; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenance_monitors.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenance_monitors.maintenance_id IS 'subject=tenant; purpose=says of which window it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenance_monitors.monitor_id IS 'subject=tenant; purpose=says which monitor is in maintenance; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.id IS 'subject=tenant; purpose=is the row''s own number; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.maintenance_id IS 'subject=tenant; purpose=says of which window it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.starts_at IS 'subject=tenant; purpose=says when it begins; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.ends_at IS 'subject=tenant; purpose=says when it ends; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.announced IS 'subject=tenant; purpose=keeps it from being announced twice; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.began IS 'subject=tenant; purpose=says that its start was seen to; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.ended IS 'subject=tenant; purpose=says that its end was seen to; retention=account; export=no; erase=delete';
COMMENT ON COLUMN maintenance_occurrences.called_off IS 'subject=tenant; purpose=says that it will not be; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN notices.occurrence_id IS 'subject=tenant; purpose=says which maintenance it announces; retention=account; export=no; erase=delete';

CALL grant_erasure();
