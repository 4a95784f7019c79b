-- Who may administer the instance, for how long. Grants belong to no tenant: the role that lets people in keeps them, and
-- no tenant's role sees them. A row is never deleted: it is over, or revoked.
CREATE TABLE admin_grants (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid       uuid NOT NULL UNIQUE,
    user_id    bigint NOT NULL REFERENCES users (id),
    -- As in the audit log: `command:USER` at the console, `user:EMAIL` on a page.
    granted_by text NOT NULL,
    from_at    bigint NOT NULL,
    until_at   bigint NOT NULL,
    revoked_at bigint,
    revoked_by text,
    -- For a time, never for good: 30 days at most.
    CONSTRAINT admin_grants_term CHECK (until_at > from_at AND until_at - from_at <= 30 * 86400000000),
    CONSTRAINT admin_grants_revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX admin_grants_user ON admin_grants (user_id, until_at) WHERE revoked_at IS NULL;

GRANT SELECT, INSERT ON admin_grants TO picket_auth;
GRANT UPDATE (revoked_at, revoked_by) ON admin_grants TO picket_auth;

-- Administration counts monitors, of each organization and of each region. What they watch it cannot read: the grant is of
-- these columns alone, and for reading alone.
CREATE POLICY picket_auth ON monitors FOR SELECT TO picket_auth USING (true);
GRANT SELECT (id, org_id, deleted_at) ON monitors TO picket_auth;
CREATE POLICY picket_auth ON monitor_regions FOR SELECT TO picket_auth USING (true);
GRANT SELECT (monitor_id, region_id) ON monitor_regions TO picket_auth;

COMMENT ON COLUMN admin_grants.id IS 'subject=user; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN admin_grants.uuid IS 'subject=user; purpose=names the grant outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN admin_grants.user_id IS 'subject=user; purpose=says who may administer the instance; retention=account; export=no; erase=delete';
COMMENT ON COLUMN admin_grants.granted_by IS 'subject=user; purpose=tells who gave it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN admin_grants.from_at IS 'subject=user; purpose=tells since when; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN admin_grants.until_at IS 'subject=user; purpose=ends it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN admin_grants.revoked_at IS 'subject=user; purpose=ends it at once; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN admin_grants.revoked_by IS 'subject=user; purpose=tells who ended it; retention=account; export=yes; erase=delete';
