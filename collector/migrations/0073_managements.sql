-- An organization may be managed by another: with its owner's consent, for as long as both want it. Members there act here
-- with the lesser of the role that they have there and the most that the consent gives.

CREATE TABLE managements (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid         uuid NOT NULL UNIQUE,
    -- Which is managed.
    org_id       bigint NOT NULL REFERENCES organizations (id),
    -- Which manages it.
    manager_id   bigint NOT NULL REFERENCES organizations (id),
    -- Never owner: who owns an organization is its own affair.
    most         text NOT NULL CHECK (most IN ('admin', 'editor', 'responder', 'viewer')),
    -- As in the audit log: `user:EMAIL`, `key:ID user:EMAIL`.
    consented_by text NOT NULL,
    consented_at bigint NOT NULL,
    accepted_by  text,
    accepted_at  bigint,
    until_at     bigint,
    ended_by     text,
    ended_at     bigint,
    ended_why    text,
    -- When its end was told in advance.
    end_told_at  bigint,
    CONSTRAINT managements_two CHECK (org_id <> manager_id),
    CONSTRAINT managements_end CHECK (until_at > consented_at),
    CONSTRAINT managements_accepted CHECK ((accepted_at IS NULL) = (accepted_by IS NULL)),
    CONSTRAINT managements_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (ended_why IS NULL)),
    -- By the managed, by the managing, by its own date.
    CONSTRAINT managements_why CHECK (ended_why IN ('revoked', 'left', 'over'))
);
CREATE UNIQUE INDEX managements_open ON managements (org_id, manager_id) WHERE ended_at IS NULL;
CREATE INDEX managements_manager ON managements (manager_id, org_id) WHERE ended_at IS NULL;
CREATE INDEX managements_until ON managements (until_at) WHERE ended_at IS NULL AND until_at IS NOT NULL;
CREATE INDEX managements_org ON managements (org_id, consented_at);
CREATE INDEX managements_managing ON managements (manager_id, consented_at);

CALL secure_table('managements', '{picket_auth,picket_backup}');
-- The managing organization sees it too, and writes nothing.
CREATE POLICY managing ON managements FOR SELECT TO picket_app, picket_reader USING (manager_id = current_org());
GRANT SELECT, INSERT ON managements TO picket_auth;
GRANT UPDATE (accepted_by, accepted_at, ended_by, ended_at, ended_why, end_told_at) ON managements TO picket_auth;
GRANT SELECT ON managements TO picket_app, picket_reader;

CREATE FUNCTION role_rank(role text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN array_position('{viewer,responder,editor,admin,owner}'::text[], role);

-- Who may act where at a time, in microseconds since 1970, as what, and through which managing organization, if not as a member:
-- sessions ask this. One row for a user in an organization: a membership wins; of two ways through others the greater role.
-- It is built on live memberships there alone, so that whatever ends one ends this, and so that nobody manages further from here.
CREATE FUNCTION live_access(now bigint)
    RETURNS TABLE (org_id bigint, user_id bigint, role text, created_at bigint, through bigint) LANGUAGE sql STABLE AS $$
    SELECT m.org_id, m.user_id, m.role, m.created_at, NULL::bigint FROM live_memberships(now) m
    UNION ALL
    (SELECT DISTINCT ON (g.org_id, m.user_id) g.org_id, m.user_id,
            CASE WHEN role_rank(m.role) < role_rank(g.most) THEN m.role ELSE g.most END,
            greatest(m.created_at, g.accepted_at), g.manager_id
     FROM managements g
     JOIN organizations managed ON managed.id = g.org_id AND managed.deleted_at IS NULL
     JOIN organizations managing ON managing.id = g.manager_id
     JOIN live_memberships(now) m ON m.org_id = g.manager_id
     WHERE g.accepted_at IS NOT NULL AND g.ended_at IS NULL AND (g.until_at IS NULL OR g.until_at > now)
       AND (managing.second_factor_since IS NULL OR has_second_factor(m.user_id))
       AND NOT EXISTS (SELECT FROM live_memberships(now) own WHERE own.org_id = g.org_id AND own.user_id = m.user_id)
     ORDER BY g.org_id, m.user_id, least(role_rank(m.role), role_rank(g.most)) DESC, g.id) $$;

COMMENT ON COLUMN managements.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN managements.uuid IS 'subject=tenant; purpose=names the consent outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.org_id IS 'subject=tenant; purpose=says which organization is managed; retention=account; export=no; erase=delete';
COMMENT ON COLUMN managements.manager_id IS 'subject=tenant; purpose=says which organization manages it; retention=account; export=no; erase=delete';
COMMENT ON COLUMN managements.most IS 'subject=tenant; purpose=says what members there may do here at most; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.consented_by IS 'subject=user; purpose=proves who consented; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.consented_at IS 'subject=tenant; purpose=proves when; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.accepted_by IS 'subject=user; purpose=tells who accepted it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.accepted_at IS 'subject=tenant; purpose=tells since when it works; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.until_at IS 'subject=tenant; purpose=ends it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.ended_by IS 'subject=user; purpose=tells who ended it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.ended_at IS 'subject=tenant; purpose=ends it at once; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.ended_why IS 'subject=tenant; purpose=tells how it ended; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN managements.end_told_at IS 'subject=tenant; purpose=tells the end in advance once; retention=account; export=no; erase=delete';
