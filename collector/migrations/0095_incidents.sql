-- What people do to incidents: they acknowledge, assign, comment, resolve and open them again, open some of their own, and write down
-- what came of it.

ALTER TABLE incidents
    -- One that a person opened is of the monitors in incident_monitors, or of none.
    ALTER COLUMN monitor_id DROP NOT NULL,
    ADD COLUMN origin          text NOT NULL DEFAULT 'judge' CHECK (origin IN ('judge', 'person')),
    ADD COLUMN title           text CHECK (length(title) BETWEEN 1 AND 200),
    ADD COLUMN severity        text NOT NULL DEFAULT 'critical' CHECK (severity IN ('critical', 'error', 'warning')),
    -- Whether channels are told of it.
    ADD COLUMN tells           boolean NOT NULL DEFAULT true,
    -- By whom says its timeline.
    ADD COLUMN acknowledged_at bigint,
    -- When it was opened again last, and how often it was.
    ADD COLUMN reopened_at     bigint,
    ADD COLUMN round           integer NOT NULL DEFAULT 0 CHECK (round >= 0),
    ADD COLUMN post_mortem     text CHECK (length(post_mortem) BETWEEN 1 AND 50000),
    ADD COLUMN post_mortem_at  bigint,
    ADD COLUMN published_at    bigint,
    ADD CONSTRAINT incidents_origin CHECK ((origin = 'judge') = (monitor_id IS NOT NULL) AND (origin = 'judge') = (title IS NULL)),
    ADD CONSTRAINT incidents_post_mortem CHECK (published_at IS NULL OR (post_mortem IS NOT NULL AND post_mortem_at IS NOT NULL));
-- Lists come by it.
CREATE INDEX incidents_org ON incidents (org_id, uuid);
CREATE INDEX incidents_by_hand ON incidents (monitor_id, resolved_at) WHERE resolution = 'by_hand';
GRANT INSERT, UPDATE (resolved_at, resolution, acknowledged_at, reopened_at, round, post_mortem, post_mortem_at, published_at)
    ON incidents TO picket_app;

CREATE TABLE incident_monitors (
    org_id      bigint NOT NULL,
    incident_id bigint NOT NULL,
    monitor_id  bigint NOT NULL,
    PRIMARY KEY (incident_id, monitor_id),
    FOREIGN KEY (org_id, incident_id) REFERENCES incidents (org_id, id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CREATE INDEX incident_monitors_monitor ON incident_monitors (monitor_id);
CALL secure_table('incident_monitors', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT ON incident_monitors TO picket_app;
GRANT SELECT ON incident_monitors TO picket_worker, picket_reader;

-- Who looks after an incident: a member, as long as it is one. No service member, which nobody signs in as: who assigns sees to that,
-- for the role of tenants reads no users.
CREATE TABLE incident_assignees (
    org_id      bigint NOT NULL,
    incident_id bigint PRIMARY KEY,
    user_id     bigint NOT NULL,
    FOREIGN KEY (org_id, incident_id) REFERENCES incidents (org_id, id),
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX incident_assignees_user ON incident_assignees (user_id);
CREATE INDEX incident_assignees_member ON incident_assignees (org_id, user_id);
CALL secure_table('incident_assignees', '{picket_auth,picket_backup}');
GRANT SELECT, INSERT, DELETE, UPDATE (user_id) ON incident_assignees TO picket_app;
GRANT SELECT ON incident_assignees TO picket_auth;
-- An export of the account names the incidents that were given to it, and says nothing else of them.
CREATE POLICY picket_auth ON incidents FOR SELECT TO picket_auth USING (true);
GRANT SELECT (id, uuid) ON incidents TO picket_auth;

-- The timeline: who did it, whom it was given to, and what was written.
ALTER TABLE incident_events
    -- As in the audit log; none where the collector did it.
    ADD COLUMN actor    text,
    ADD COLUMN assignee text,
    ADD COLUMN body     text CHECK (length(body) BETWEEN 1 AND 10000);

-- An incident that a person opened is told of without a monitor; one that was opened again is told of again.
ALTER TABLE notices
    ALTER COLUMN monitor_id DROP NOT NULL,
    ADD COLUMN round integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT notices_about CHECK (num_nonnulls(monitor_id, incident_id) > 0);
DROP INDEX notices_once;
CREATE UNIQUE INDEX notices_once ON notices (incident_id, kind, round)
    WHERE incident_id IS NOT NULL AND kind IN ('down', 'reopened', 'up');
CREATE INDEX notices_incident ON notices (incident_id) WHERE incident_id IS NOT NULL;
GRANT INSERT ON notices TO picket_app;

COMMENT ON COLUMN incidents.monitor_id IS 'subject=tenant; purpose=says of which monitor it is, where the judge opened it; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incidents.origin IS 'subject=tenant; purpose=says whether the judge or a person opened it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.title IS 'subject=tenant; purpose=names one that a person opened; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.severity IS 'subject=tenant; purpose=says how bad it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.tells IS 'subject=tenant; purpose=says whether channels are told of it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.acknowledged_at IS 'subject=tenant; purpose=tells since when somebody looks after it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.reopened_at IS 'subject=tenant; purpose=tells when it was last opened again; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.round IS 'subject=tenant; purpose=counts how often it was opened again; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.post_mortem IS 'subject=tenant; purpose=says what was learnt of it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.post_mortem_at IS 'subject=tenant; purpose=tells when that was last written; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.published_at IS 'subject=tenant; purpose=tells since when others may read it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incident_monitors.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incident_monitors.incident_id IS 'subject=tenant; purpose=says of which incident it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incident_monitors.monitor_id IS 'subject=tenant; purpose=says which monitor is affected; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incident_assignees.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incident_assignees.incident_id IS 'subject=tenant; purpose=says which incident it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incident_assignees.user_id IS 'subject=user; purpose=says who looks after it; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incident_events.detail IS 'subject=tenant; purpose=says what belongs to it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incident_events.actor IS 'subject=user; purpose=tells who did it; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN incident_events.assignee IS 'subject=user; purpose=tells to whom it was given; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN incident_events.body IS 'subject=tenant; purpose=is what somebody wrote about it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN notices.round IS 'subject=tenant; purpose=keeps one from being told twice; retention=account; export=no; erase=delete';

CALL grant_erasure();
