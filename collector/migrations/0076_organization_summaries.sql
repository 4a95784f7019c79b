-- One row an organization: how what it watches is doing, kept by the worker. The managing organization reads it, and nothing else
-- of the managed one.

CREATE TABLE organization_summaries (
    org_id         bigint PRIMARY KEY REFERENCES organizations (id),
    -- As in `organizations`, of which a tenant reads its own row alone.
    uuid           uuid NOT NULL UNIQUE,
    name           text NOT NULL,
    -- Monitors by the state that is shown.
    up             integer NOT NULL,
    down           integer NOT NULL,
    suspect        integer NOT NULL,
    recovering     integer NOT NULL,
    unknown        integer NOT NULL,
    pending        integer NOT NULL,
    paused         integer NOT NULL,
    open_incidents integer NOT NULL,
    -- Monitors that are watched while nobody would be told.
    untold         integer NOT NULL,
    -- Since when the incident stands that has stood longest.
    failing_since  bigint,
    -- When a monitor last went into another state.
    changed_at     bigint,
    updated_at     bigint NOT NULL
) WITH (fillfactor = 70);

CALL secure_table('organization_summaries', '{picket_worker,picket_backup}');
CREATE POLICY managing ON organization_summaries FOR SELECT TO picket_app, picket_reader USING (
    org_id IN (SELECT g.org_id FROM managements g
               WHERE g.manager_id = current_org() AND g.accepted_at IS NOT NULL AND g.ended_at IS NULL));
GRANT SELECT, INSERT, UPDATE, DELETE ON organization_summaries TO picket_worker;
GRANT SELECT ON organization_summaries TO picket_app, picket_reader;

-- The operator makes an organization with its channels in one transaction, as the role that keeps organizations and members. It
-- adds channels, of which none is told anything before it is verified, and neither reads nor changes any.
CREATE POLICY picket_auth ON channels FOR INSERT TO picket_auth WITH CHECK (true);
GRANT INSERT (uuid, org_id, name, kind, hint, sealed_settings, created_at) ON channels TO picket_auth;

COMMENT ON COLUMN organization_summaries.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.uuid IS 'subject=tenant; purpose=names the organization outside; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.name IS 'subject=tenant; purpose=names the organization to people who manage it; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.up IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.down IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.suspect IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.recovering IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.unknown IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.pending IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.paused IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.open_incidents IS 'subject=tenant; purpose=shows how it is doing; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.untold IS 'subject=tenant; purpose=shows of what nobody would be told; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.failing_since IS 'subject=tenant; purpose=shows how long something fails; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.changed_at IS 'subject=tenant; purpose=shows when something last changed; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organization_summaries.updated_at IS 'subject=tenant; purpose=shows how old the figures are; retention=account; export=no; erase=delete';
