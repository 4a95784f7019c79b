-- Who is told when: policies with levels, schedules of who is on call, members' own channels, and how far each incident got.

CREATE TABLE policies (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    uuid            uuid NOT NULL UNIQUE,
    org_id          bigint NOT NULL REFERENCES organizations (id),
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- The one for whatever has no other.
    is_default      boolean NOT NULL DEFAULT false,
    -- It is that of monitors with any of these tags; of several policies the one that was made first.
    tags            text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 20),
    -- Of each level how many seconds it waits for the one before it.
    waits_s         integer[] NOT NULL CHECK (cardinality(waits_s) BETWEEN 1 AND 10),
    repeats         smallint NOT NULL CHECK (repeats BETWEEN 0 AND 9),
    repeat_after_s  integer NOT NULL CHECK (repeat_after_s BETWEEN 0 AND 86400),
    reminder_s      integer CHECK (reminder_s BETWEEN 300 AND 86400),
    tells_recovery  boolean NOT NULL,
    sms_per_day     integer CHECK (sms_per_day BETWEEN 0 AND 10000),
    version         integer NOT NULL DEFAULT 1,
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    deleted_at      bigint,
    PRIMARY KEY (id),
    UNIQUE (org_id, id)
);
CREATE UNIQUE INDEX policies_org_name ON policies (org_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX policies_org_default ON policies (org_id) WHERE is_default AND deleted_at IS NULL;
CALL secure_table('policies', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON policies TO picket_app;
GRANT SELECT ON policies TO picket_worker, picket_reader;

CREATE TABLE schedules (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    uuid        uuid NOT NULL UNIQUE,
    org_id      bigint NOT NULL REFERENCES organizations (id),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    zone        text NOT NULL CHECK (length(zone) BETWEEN 1 AND 64),
    version     integer NOT NULL DEFAULT 1,
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    deleted_at  bigint,
    PRIMARY KEY (id),
    UNIQUE (org_id, id)
);
CREATE UNIQUE INDEX schedules_org_name ON schedules (org_id, name) WHERE deleted_at IS NULL;
CALL secure_table('schedules', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON schedules TO picket_app;
GRANT SELECT ON schedules TO picket_worker, picket_reader;

CREATE TABLE rotations (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    org_id      bigint NOT NULL,
    schedule_id bigint NOT NULL,
    -- The later stands above the earlier.
    position    smallint NOT NULL,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- A local time: 2026-03-23T09:00.
    starts      text NOT NULL,
    every       smallint NOT NULL CHECK (every BETWEEN 1 AND 168),
    unit        text NOT NULL CHECK (unit IN ('hours', 'days', 'weeks')),
    hours       jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (id),
    UNIQUE (org_id, id),
    UNIQUE (schedule_id, position),
    FOREIGN KEY (org_id, schedule_id) REFERENCES schedules (org_id, id)
);
CALL secure_table('rotations', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE ON rotations TO picket_app;
GRANT SELECT ON rotations TO picket_worker, picket_reader;

-- Members in the order of their turns. Who is no member any more is on call no more.
CREATE TABLE rotation_members (
    org_id      bigint NOT NULL,
    rotation_id bigint NOT NULL,
    position    smallint NOT NULL,
    user_id     bigint NOT NULL,
    PRIMARY KEY (rotation_id, position),
    FOREIGN KEY (org_id, rotation_id) REFERENCES rotations (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX rotation_members_member ON rotation_members (org_id, user_id);
CALL secure_table('rotation_members', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE ON rotation_members TO picket_app;
-- An export of the account says where somebody is named.
GRANT SELECT ON rotation_members TO picket_auth, picket_worker, picket_reader;

CREATE TABLE schedule_overrides (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid        uuid NOT NULL UNIQUE,
    org_id      bigint NOT NULL,
    schedule_id bigint NOT NULL,
    user_id     bigint NOT NULL,
    from_at     bigint NOT NULL,
    to_at       bigint NOT NULL,
    created_at  bigint NOT NULL,
    FOREIGN KEY (org_id, schedule_id) REFERENCES schedules (org_id, id),
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE,
    CONSTRAINT schedule_overrides_end_after_their_start CHECK (to_at > from_at)
);
CREATE INDEX schedule_overrides_schedule ON schedule_overrides (schedule_id, to_at);
CREATE INDEX schedule_overrides_member ON schedule_overrides (org_id, user_id);
CALL secure_table('schedule_overrides', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE ON schedule_overrides TO picket_app;
GRANT SELECT ON schedule_overrides TO picket_auth, picket_worker, picket_reader;

-- Whom a level of a policy tells.
CREATE TABLE policy_targets (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id      bigint NOT NULL,
    policy_id   bigint NOT NULL,
    -- From 0.
    level       smallint NOT NULL CHECK (level BETWEEN 0 AND 9),
    channel_id  bigint,
    user_id     bigint,
    schedule_id bigint,
    FOREIGN KEY (org_id, policy_id) REFERENCES policies (org_id, id),
    FOREIGN KEY (org_id, channel_id) REFERENCES channels (org_id, id),
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, schedule_id) REFERENCES schedules (org_id, id),
    CONSTRAINT policy_targets_one CHECK (num_nonnulls(channel_id, user_id, schedule_id) = 1),
    UNIQUE NULLS NOT DISTINCT (policy_id, level, channel_id, user_id, schedule_id)
);
CREATE INDEX policy_targets_member ON policy_targets (org_id, user_id);
CALL secure_table('policy_targets', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE ON policy_targets TO picket_app;
GRANT SELECT ON policy_targets TO picket_auth, picket_worker, picket_reader;
-- A member's own channel goes with the membership.
GRANT DELETE ON policy_targets TO picket_worker;

-- By which channels a member is reached who is told by name or on call.
CREATE TABLE member_channels (
    org_id     bigint NOT NULL,
    user_id    bigint NOT NULL,
    channel_id bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (channel_id),
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, channel_id) REFERENCES channels (org_id, id)
);
CREATE INDEX member_channels_member ON member_channels (org_id, user_id);
CALL secure_table('member_channels', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE ON member_channels TO picket_app;
GRANT SELECT ON member_channels TO picket_auth, picket_worker, picket_reader;

ALTER TABLE monitors ADD COLUMN policy_id bigint,
    ADD FOREIGN KEY (org_id, policy_id) REFERENCES policies (org_id, id);
CREATE INDEX monitors_policy ON monitors (policy_id) WHERE policy_id IS NOT NULL;
-- A member's own channel is told as long as it is one in member_channels.
ALTER TABLE channels ADD COLUMN quiet jsonb, ADD COLUMN is_personal boolean NOT NULL DEFAULT false;
CREATE INDEX channels_personal ON channels (id) WHERE is_personal AND deleted_at IS NULL;
GRANT SELECT (quiet, is_personal) ON channels TO picket_app, picket_reader;
-- What was decided when it was dispatched: by which policy, who was told, and who was not and why.
ALTER TABLE notices ADD COLUMN route jsonb;
-- What a notice follows on is found by it.
CREATE INDEX notices_kind ON notices (org_id, kind, id);
ALTER TABLE deliveries
    -- Which level of the policy it is for, from 0; none where no policy asked for it.
    ADD COLUMN level smallint,
    ADD COLUMN policy_id bigint,
    -- Until when its channel is quiet.
    ADD COLUMN held_until bigint,
    ADD FOREIGN KEY (org_id, policy_id) REFERENCES policies (org_id, id);
CREATE INDEX deliveries_policy ON deliveries (policy_id, created_at) WHERE policy_id IS NOT NULL;

-- How far an incident got in its policy; gone when somebody acknowledged, or it is over.
CREATE TABLE escalations (
    org_id          bigint NOT NULL,
    incident_id     bigint PRIMARY KEY,
    policy_id       bigint NOT NULL,
    -- What its deliveries tell.
    notice_id       bigint NOT NULL,
    round           smallint NOT NULL,
    level           smallint NOT NULL,
    level_due_at    bigint,
    reminders       integer NOT NULL,
    reminder_due_at bigint,
    FOREIGN KEY (org_id, incident_id) REFERENCES incidents (org_id, id),
    FOREIGN KEY (org_id, policy_id) REFERENCES policies (org_id, id),
    FOREIGN KEY (org_id, notice_id) REFERENCES notices (org_id, id)
);
CREATE INDEX escalations_due ON escalations (least(level_due_at, reminder_due_at));
CALL secure_table('escalations', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE, DELETE ON escalations TO picket_worker;
GRANT SELECT ON escalations TO picket_app, picket_reader;

COMMENT ON COLUMN policies.id IS 'subject=tenant; purpose=numbers the row; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policies.uuid IS 'subject=tenant; purpose=names it outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policies.name IS 'subject=tenant; purpose=is what it is called; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.is_default IS 'subject=tenant; purpose=says whether it is for whatever has no other; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.tags IS 'subject=tenant; purpose=chooses its monitors; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.waits_s IS 'subject=tenant; purpose=says how long each level waits; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.repeats IS 'subject=tenant; purpose=says how often it is gone through again; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.repeat_after_s IS 'subject=tenant; purpose=says after how long; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.reminder_s IS 'subject=tenant; purpose=says after how long people are reminded; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.tells_recovery IS 'subject=tenant; purpose=says whether people are told that it is over; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.sms_per_day IS 'subject=tenant; purpose=limits SMS and calls; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.version IS 'subject=tenant; purpose=is raised by every edit; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policies.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.updated_at IS 'subject=tenant; purpose=tells when it was changed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policies.deleted_at IS 'subject=tenant; purpose=tells when it was removed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedules.id IS 'subject=tenant; purpose=numbers the row; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedules.uuid IS 'subject=tenant; purpose=names it outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedules.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedules.name IS 'subject=tenant; purpose=is what it is called; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedules.zone IS 'subject=tenant; purpose=says where its local times are; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedules.version IS 'subject=tenant; purpose=is raised by every edit; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedules.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedules.updated_at IS 'subject=tenant; purpose=tells when it was changed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedules.deleted_at IS 'subject=tenant; purpose=tells when it was removed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotations.id IS 'subject=tenant; purpose=numbers the row; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rotations.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rotations.schedule_id IS 'subject=tenant; purpose=says of which schedule it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rotations.position IS 'subject=tenant; purpose=orders rotations; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotations.name IS 'subject=tenant; purpose=is what it is called; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotations.starts IS 'subject=tenant; purpose=is when the first turn begins; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotations.every IS 'subject=tenant; purpose=is how long a turn lasts; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotations.unit IS 'subject=tenant; purpose=is what that is counted in; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotations.hours IS 'subject=tenant; purpose=restricts it to hours of the week; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotation_members.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rotation_members.rotation_id IS 'subject=tenant; purpose=says of which rotation it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rotation_members.position IS 'subject=tenant; purpose=orders turns; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rotation_members.user_id IS 'subject=user; purpose=says who takes the turn; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedule_overrides.id IS 'subject=tenant; purpose=numbers the row; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedule_overrides.uuid IS 'subject=tenant; purpose=names it outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedule_overrides.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedule_overrides.schedule_id IS 'subject=tenant; purpose=says of which schedule it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedule_overrides.user_id IS 'subject=user; purpose=says who stands in; retention=account; export=no; erase=delete';
COMMENT ON COLUMN schedule_overrides.from_at IS 'subject=tenant; purpose=tells from when; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedule_overrides.to_at IS 'subject=tenant; purpose=tells until when; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN schedule_overrides.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policy_targets.id IS 'subject=tenant; purpose=numbers the row; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policy_targets.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policy_targets.policy_id IS 'subject=tenant; purpose=says of which policy it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policy_targets.level IS 'subject=tenant; purpose=says of which level it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN policy_targets.channel_id IS 'subject=tenant; purpose=says which channel is told; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policy_targets.user_id IS 'subject=user; purpose=says which member is told; retention=account; export=no; erase=delete';
COMMENT ON COLUMN policy_targets.schedule_id IS 'subject=tenant; purpose=says whose turn is told; retention=account; export=no; erase=delete';
COMMENT ON COLUMN member_channels.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN member_channels.user_id IS 'subject=user; purpose=says who is reached by it; retention=account; export=no; erase=delete';
COMMENT ON COLUMN member_channels.channel_id IS 'subject=tenant; purpose=says which channel it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN member_channels.created_at IS 'subject=tenant; purpose=tells since when; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN escalations.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN escalations.incident_id IS 'subject=tenant; purpose=says of which incident it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN escalations.policy_id IS 'subject=tenant; purpose=says by which policy; retention=account; export=no; erase=delete';
COMMENT ON COLUMN escalations.notice_id IS 'subject=tenant; purpose=says what is told; retention=account; export=no; erase=delete';
COMMENT ON COLUMN escalations.round IS 'subject=tenant; purpose=counts how often levels were gone through; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN escalations.level IS 'subject=tenant; purpose=is the level that is next; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN escalations.level_due_at IS 'subject=tenant; purpose=tells when that is due; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN escalations.reminders IS 'subject=tenant; purpose=counts reminders; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN escalations.reminder_due_at IS 'subject=tenant; purpose=tells when the next is due; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.policy_id IS 'subject=tenant; purpose=says who is told of it; retention=account; export=no; erase=delete';
COMMENT ON COLUMN channels.quiet IS 'subject=tenant; purpose=says when it is quiet; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.is_personal IS 'subject=tenant; purpose=says that it is of a member; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN notices.route IS 'subject=tenant; purpose=says who was told, and why; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.level IS 'subject=tenant; purpose=says for which level it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.held_until IS 'subject=tenant; purpose=says until when its channel is quiet; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.policy_id IS 'subject=tenant; purpose=says by which policy it was made; retention=account; export=no; erase=delete';

CALL grant_erasure();
