-- Who belongs to an organization: invitations, the organization that a session is in, what an organization asks of its
-- members, and what the operator lets it have.

ALTER TABLE organizations
    -- Since when members without a second factor have to set one up first.
    ADD COLUMN second_factor_since bigint;
-- It moves with the clock, as the other times there.
GRANT UPDATE (second_factor_since) ON organizations TO picket_worker;

-- Whether a user is asked for a second factor: a code by time, or a passkey.
CREATE FUNCTION has_second_factor(who bigint) RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (SELECT FROM totp_secrets WHERE user_id = who AND confirmed_at IS NOT NULL)
        OR EXISTS (SELECT FROM passkeys WHERE user_id = who);

ALTER TABLE sessions
    -- The organization that its user works in; the first one joined if there is none. A user who is not in it any more
    -- has no session there.
    ADD COLUMN chosen_org_id bigint REFERENCES organizations (id);
CREATE INDEX sessions_org ON sessions (chosen_org_id);

-- One row for each address that was invited, until it is used, taken back, or long over. The link itself is never stored.
CREATE TABLE invitations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid        uuid NOT NULL UNIQUE,
    org_id      bigint NOT NULL REFERENCES organizations (id),
    email       text NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    role        text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'responder', 'viewer')),
    token_hash  bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    invited_by  bigint NOT NULL REFERENCES users (id),
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    accepted_at bigint,
    revoked_at  bigint,
    CONSTRAINT invitations_end CHECK (accepted_at IS NULL OR revoked_at IS NULL)
);
CREATE UNIQUE INDEX invitations_open ON invitations (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_by ON invitations (invited_by);
CREATE INDEX invitations_expiry ON invitations (expires_at);

-- What the operator lets an organization have; without a row, or where a column is null, as much as it likes.
CREATE TABLE organization_limits (
    org_id            bigint PRIMARY KEY REFERENCES organizations (id),
    monitors          integer CHECK (monitors >= 0),
    interval_s        integer CHECK (interval_s BETWEEN 5 AND 86400),
    checks_per_minute integer CHECK (checks_per_minute >= 0),
    sms_per_day       integer CHECK (sms_per_day >= 0),
    changed_at        bigint NOT NULL
);

CALL secure_table('invitations', '{picket_auth,picket_backup}');
CALL secure_table('organization_limits', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO picket_auth;
GRANT SELECT (id, uuid, org_id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at) ON invitations
    TO picket_app, picket_reader;
GRANT SELECT, INSERT, UPDATE ON organization_limits TO picket_auth;
GRANT SELECT ON organization_limits TO picket_app, picket_reader, picket_worker;

-- A limit refuses what makes more of what it limits, wherever that comes from; what is there already stays, and may be
-- changed to less. Writers of monitors come one after the other, by the lock on assignment_clock.
CREATE FUNCTION limit_exceeded(what text, most integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the organization is at its limit of %', what
        USING ERRCODE = 'check_violation', CONSTRAINT = 'limit_' || what, DETAIL = most::text;
END $$;

CREATE FUNCTION limit_checks(org bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    most integer := (SELECT checks_per_minute FROM organization_limits WHERE org_id = org);
BEGIN
    IF most IS NOT NULL
       AND (SELECT sum(60.0 / m.interval_s) FROM monitors m JOIN monitor_regions mr ON mr.monitor_id = m.id
            WHERE m.org_id = org AND m.deleted_at IS NULL AND m.paused_at IS NULL) > most THEN
        PERFORM limit_exceeded('checks_per_minute', most);
    END IF;
END $$;

CREATE FUNCTION limit_monitor() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    may organization_limits;
    appears boolean := TG_OP = 'INSERT' OR OLD.deleted_at IS NOT NULL;
BEGIN
    SELECT * INTO may FROM organization_limits WHERE org_id = NEW.org_id;
    IF NOT FOUND OR NEW.deleted_at IS NOT NULL THEN
        RETURN NULL;
    END IF;
    IF appears AND (SELECT count(*) FROM monitors WHERE org_id = NEW.org_id AND deleted_at IS NULL) > may.monitors THEN
        PERFORM limit_exceeded('monitors', may.monitors);
    END IF;
    IF NEW.interval_s < may.interval_s AND (appears OR NEW.interval_s < OLD.interval_s) THEN
        PERFORM limit_exceeded('interval_s', may.interval_s);
    END IF;
    -- Of a new monitor the regions are not there yet: they count when they come.
    IF TG_OP = 'UPDATE' AND (appears OR NEW.interval_s < OLD.interval_s OR (OLD.paused_at IS NOT NULL AND NEW.paused_at IS NULL)) THEN
        PERFORM limit_checks(NEW.org_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER limit_new AFTER INSERT ON monitors FOR EACH ROW EXECUTE FUNCTION limit_monitor();
CREATE TRIGGER limit_change AFTER UPDATE OF interval_s, paused_at, deleted_at ON monitors FOR EACH ROW
    EXECUTE FUNCTION limit_monitor();

CREATE FUNCTION limit_regions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    org bigint;
BEGIN
    FOR org IN SELECT DISTINCT org_id FROM added LOOP
        PERFORM limit_checks(org);
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER limit_regions AFTER INSERT ON monitor_regions REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    EXECUTE FUNCTION limit_regions();

COMMENT ON COLUMN organizations.second_factor_since IS 'subject=tenant; purpose=says that members need a second factor; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN sessions.chosen_org_id IS 'subject=user; purpose=says in which organization its user works; retention=expiry; export=no; erase=delete';

COMMENT ON COLUMN invitations.id IS 'subject=contact; purpose=joins rows inside the database; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN invitations.uuid IS 'subject=contact; purpose=names the invitation outside; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN invitations.org_id IS 'subject=tenant; purpose=says who invites; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN invitations.email IS 'subject=contact; purpose=binds the invitation to an address; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN invitations.role IS 'subject=contact; purpose=says what the invited may do then; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN invitations.token_hash IS 'subject=contact; purpose=finds the link that was followed; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN invitations.invited_by IS 'subject=user; purpose=ends the invitation with the rights of who invited; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN invitations.created_at IS 'subject=contact; purpose=tells when it was made; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN invitations.expires_at IS 'subject=contact; purpose=ends it; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN invitations.accepted_at IS 'subject=contact; purpose=lets it work once; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN invitations.revoked_at IS 'subject=contact; purpose=ends it at once; retention=expiry; export=yes; erase=delete';

COMMENT ON COLUMN organization_limits.org_id IS 'subject=tenant; purpose=says whose limits they are; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_limits.monitors IS 'subject=tenant; purpose=says how many monitors it may have; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organization_limits.interval_s IS 'subject=tenant; purpose=says how often it may check; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organization_limits.checks_per_minute IS 'subject=tenant; purpose=says how much it may check; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organization_limits.sms_per_day IS 'subject=tenant; purpose=says how many SMS it may send; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organization_limits.changed_at IS 'subject=tenant; purpose=tells since when; retention=account; export=yes; erase=delete';
