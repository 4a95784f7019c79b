-- Breaches of personal data: what is known of each, the clock of 72 hours, and which organizations were told what.
CREATE TABLE breaches (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid           uuid NOT NULL UNIQUE,
    title          text NOT NULL,
    known_at       bigint NOT NULL,
    happened       text NOT NULL,
    affected       text NOT NULL,
    measures       text NOT NULL,
    advice         text NOT NULL,
    -- Whether every organization is affected, or those of breach_notices.
    everyone       boolean NOT NULL,
    reported_at    bigint,
    -- Why the authority need not be told.
    unreported_why text,
    -- Since when it is being told.
    telling_at     bigint,
    opened_at      bigint NOT NULL,
    opened_by      text NOT NULL,
    closed_at      bigint,
    CONSTRAINT breaches_reported CHECK (reported_at IS NULL OR unreported_why IS NULL)
);
GRANT SELECT, INSERT, UPDATE ON breaches TO picket_auth;
GRANT SELECT ON breaches TO picket_worker;

CREATE TABLE breach_notices (
    breach_id bigint NOT NULL REFERENCES breaches (id),
    org_id    bigint NOT NULL REFERENCES organizations (id),
    -- None until its owners are told.
    told_at   bigint,
    owners    integer,
    message   text,
    PRIMARY KEY (breach_id, org_id),
    CONSTRAINT breach_notices_told CHECK (num_nulls(told_at, owners, message) IN (0, 3))
);
CREATE INDEX breach_notices_of_org ON breach_notices (org_id);
CALL secure_table('breach_notices', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE (told_at, owners, message), DELETE ON breach_notices TO picket_auth;
GRANT SELECT ON breach_notices TO picket_app, picket_worker;

COMMENT ON COLUMN breaches.id IS 'subject=none; purpose=joins rows inside the database; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.uuid IS 'subject=none; purpose=names the breach outside; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.title IS 'subject=none; purpose=names it to people; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.known_at IS 'subject=none; purpose=begins the 72 hours; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.happened IS 'subject=none; purpose=says what happened; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.affected IS 'subject=none; purpose=says which data is affected; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.measures IS 'subject=none; purpose=says what is done about it; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.advice IS 'subject=none; purpose=says what those affected should do; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.everyone IS 'subject=none; purpose=says whether all organizations are affected; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.reported_at IS 'subject=none; purpose=proves when the authority was told; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.unreported_why IS 'subject=none; purpose=says why the authority was not told; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.telling_at IS 'subject=none; purpose=lets telling go on after it broke off; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.opened_at IS 'subject=none; purpose=tells when it was written down; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breaches.opened_by IS 'subject=user; purpose=tells who wrote it down; retention=instance; export=no; erase=mask';
COMMENT ON COLUMN breaches.closed_at IS 'subject=none; purpose=tells when it was over; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN breach_notices.breach_id IS 'subject=tenant; purpose=says of which breach; retention=account; export=no; erase=delete';
COMMENT ON COLUMN breach_notices.org_id IS 'subject=tenant; purpose=says which organization is affected; retention=account; export=no; erase=delete';
COMMENT ON COLUMN breach_notices.told_at IS 'subject=tenant; purpose=proves when its owners were told; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN breach_notices.owners IS 'subject=tenant; purpose=counts the owners who were written to; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN breach_notices.message IS 'subject=tenant; purpose=shows what they were told; retention=account; export=yes; erase=delete';

CALL grant_erasure();
