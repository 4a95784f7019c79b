-- Checks that a person wants now: of a monitor that is not saved yet, or of one that is. One row for each region asked;
-- nobody waits for one longer than a minute or so, and it is deleted an hour after it was asked.
CREATE TABLE manual_checks (
    uuid            uuid NOT NULL,
    org_id          bigint NOT NULL REFERENCES organizations (id),
    region_id       bigint NOT NULL REFERENCES regions (id),
    monitor_id      bigint,
    monitor_version integer,
    kind            text NOT NULL,
    spec            jsonb NOT NULL,
    sealed_secret   bytea,
    eu_only         boolean NOT NULL,
    timeout_ms      integer NOT NULL CHECK (timeout_ms BETWEEN 100 AND 120000),
    asked_by        text NOT NULL,
    asked_at        bigint NOT NULL,
    expires_at      bigint NOT NULL CHECK (expires_at > asked_at),
    refused         text,
    taken_at        bigint,
    taken_by        bigint REFERENCES probes (id),
    outcome         jsonb,
    ended_at        bigint,
    PRIMARY KEY (uuid, region_id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id),
    -- Credentials are those that came with it or those of the monitor, and go when the probe has them.
    CONSTRAINT manual_checks_one_secret CHECK (sealed_secret IS NULL OR monitor_id IS NULL AND taken_at IS NULL),
    CONSTRAINT manual_checks_monitor CHECK ((monitor_id IS NULL) = (monitor_version IS NULL)),
    CONSTRAINT manual_checks_taken CHECK ((taken_at IS NULL) = (taken_by IS NULL)),
    CONSTRAINT manual_checks_answered CHECK (outcome IS NULL OR taken_at IS NOT NULL),
    CONSTRAINT manual_checks_ended CHECK ((ended_at IS NULL) = (outcome IS NULL AND refused IS NULL))
);
CREATE INDEX manual_checks_waiting ON manual_checks (region_id, asked_at) WHERE taken_at IS NULL AND ended_at IS NULL;
CREATE INDEX manual_checks_asked ON manual_checks (asked_at, org_id);

CALL secure_table('manual_checks', '{picket_intake,picket_worker,picket_backup}');
-- A tenant asks and reads; what it gave as credentials only intake reads, to hand it to the probe.
GRANT INSERT (uuid, org_id, region_id, monitor_id, monitor_version, kind, spec, sealed_secret, eu_only, timeout_ms, asked_by,
    asked_at, expires_at, refused, ended_at) ON manual_checks TO picket_app;
GRANT SELECT (uuid, org_id, region_id, monitor_id, monitor_version, kind, spec, eu_only, timeout_ms, asked_by, asked_at,
    expires_at, refused, taken_at, taken_by, outcome, ended_at) ON manual_checks TO picket_app;
GRANT SELECT, UPDATE (sealed_secret, refused, taken_at, taken_by, outcome, ended_at) ON manual_checks TO picket_intake;
GRANT SELECT (uuid, region_id, asked_at), DELETE ON manual_checks TO picket_worker;

-- What a probe takes besides assignments, as its last poll said: a program from before manual checks says nothing.
ALTER TABLE probe_status ADD COLUMN takes text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN probe_status.takes IS 'subject=none; purpose=tells whether it runs manual checks; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN manual_checks.uuid IS 'subject=tenant; purpose=names it to the page and the probe; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.org_id IS 'subject=tenant; purpose=says whose row it is; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.region_id IS 'subject=tenant; purpose=says where it is to run; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.monitor_id IS 'subject=tenant; purpose=says which monitor is checked, and whose credentials are used; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.monitor_version IS 'subject=tenant; purpose=keeps credentials from going to an edited target; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.kind IS 'subject=tenant; purpose=finds a probe that knows it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.spec IS 'subject=tenant; purpose=says what is asked of which target; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.sealed_secret IS 'subject=tenant; purpose=logs in at the target, until a probe has it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.eu_only IS 'subject=tenant; purpose=keeps it inside the EU; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.timeout_ms IS 'subject=tenant; purpose=says when it is given up; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.asked_by IS 'subject=user; purpose=tells who asked; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.asked_at IS 'subject=tenant; purpose=tells when it was asked, for the limits and for deletion; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.expires_at IS 'subject=tenant; purpose=says until when somebody waits; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.refused IS 'subject=tenant; purpose=tells why the region cannot run it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.taken_at IS 'subject=tenant; purpose=tells when a probe took it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.taken_by IS 'subject=tenant; purpose=says which probe may answer; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.outcome IS 'subject=tenant; purpose=shows what was found; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN manual_checks.ended_at IS 'subject=tenant; purpose=tells when it was answered or refused; retention=expiry; export=no; erase=delete';
