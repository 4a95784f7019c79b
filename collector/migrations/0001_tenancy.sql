-- Who owns what: the instance, organizations, and the helpers that every tenant table uses.
-- Times are bigint microseconds since 1970 (UTC) and always come from the caller: SQL never reads a clock.
-- Roles are made before migrations run (postgres/roles.rs); everything here belongs to picket_owner.

CREATE FUNCTION current_org() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('picket.org', true), '')::bigint;
COMMENT ON FUNCTION current_org() IS 'The tenant of this transaction, set by store::scope; NULL sees nothing';

CREATE FUNCTION rfc3339(micros bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_char(timestamptz 'epoch' + micros * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
COMMENT ON FUNCTION rfc3339(bigint) IS 'For a person at psql with TimeZone UTC';

-- One row: what this installation is.
CREATE TABLE instance (
    singleton       boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    collector_id    uuid NOT NULL,
    created_at      bigint NOT NULL,
    last_alive_at   bigint NOT NULL,
    last_started_at bigint NOT NULL
);

CREATE TABLE organizations (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                  uuid NOT NULL UNIQUE,
    name                  text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    managed_by            bigint REFERENCES organizations (id),
    managed_by_consent_at bigint,
    created_at            bigint NOT NULL,
    deleted_at            bigint,
    CONSTRAINT organizations_managed_with_consent CHECK ((managed_by IS NULL) = (managed_by_consent_at IS NULL))
);
CREATE UNIQUE INDEX organizations_name ON organizations (name) WHERE deleted_at IS NULL;

-- What happened to settings and keys, by whom; rows are only ever added.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id  bigint REFERENCES organizations (id),
    at      bigint NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_org_at ON audit (org_id, at);

-- Row security for one table: tenants see their own rows; each role named gets every row.
CREATE PROCEDURE secure_table(tab regclass, all_rows_for text[]) LANGUAGE plpgsql AS $$
DECLARE
    who text;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tab);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tab);
    EXECUTE format('CREATE POLICY tenant ON %s TO picket_app, picket_reader USING (org_id = current_org()) WITH CHECK (org_id = current_org())', tab);
    FOREACH who IN ARRAY all_rows_for LOOP
        EXECUTE format('CREATE POLICY %I ON %s TO %I USING (true) WITH CHECK (true)', who, tab, who);
    END LOOP;
END $$;

CALL secure_table('audit', '{picket_auth,picket_intake,picket_worker,picket_backup}');
GRANT SELECT, INSERT ON audit TO picket_app, picket_auth, picket_intake, picket_worker;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations TO picket_app, picket_reader USING (id = current_org()) WITH CHECK (id = current_org());
CREATE POLICY all_rows ON organizations TO picket_auth, picket_worker, picket_backup USING (true) WITH CHECK (true);
GRANT SELECT ON organizations TO picket_app, picket_reader, picket_worker;
GRANT SELECT, INSERT, UPDATE ON organizations TO picket_auth;

GRANT SELECT ON instance TO picket_app, picket_reader, picket_intake;
GRANT SELECT, INSERT, UPDATE ON instance TO picket_auth, picket_worker;
