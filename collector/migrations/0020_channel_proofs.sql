-- Who is told must have agreed to it: a channel is told nothing before its destination was proven.

ALTER TABLE channels
    ADD COLUMN verified_at bigint,
    ADD COLUMN verified_by text CHECK (verified_by IN ('code', 'acceptance', 'operator', 'before')),
    ADD CONSTRAINT channels_verified CHECK ((verified_at IS NULL) = (verified_by IS NULL));

-- Channels that are there were made by the operator at the console, when there were no others: they go on being told.
-- The owner of a table with forced row security sees no row of it, so for this one statement it is not forced.
ALTER TABLE channels NO FORCE ROW LEVEL SECURITY;
UPDATE channels SET verified_at = created_at, verified_by = 'before';
ALTER TABLE channels FORCE ROW LEVEL SECURITY;

-- Tenants write settings and never read them; the worker, which reads them, says that they were proven.
REVOKE SELECT ON channels FROM picket_app;
GRANT SELECT (id, uuid, org_id, name, kind, hint, created_at, deleted_at, verified_at, verified_by) ON channels TO picket_app;
GRANT SELECT (verified_at, verified_by) ON channels TO picket_reader;
GRANT UPDATE (verified_at, verified_by) ON channels TO picket_worker;

COMMENT ON COLUMN channels.verified_at IS 'subject=tenant; purpose=tells since when its owner is known to want messages; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.verified_by IS 'subject=tenant; purpose=says what proved it; retention=account; export=yes; erase=delete';

-- The proof that is under way, one a channel: a code that was sent, or an event that the provider has to accept.
CREATE TABLE channel_proofs (
    org_id      bigint NOT NULL,
    channel_id  bigint PRIMARY KEY,
    delivery_id bigint NOT NULL UNIQUE,
    -- The code itself, until its message has ended; none where acceptance proves.
    sealed_code bytea,
    -- A keyed hash of it; none where acceptance proves.
    code_mark   bytea,
    tries       integer NOT NULL DEFAULT 0,
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    FOREIGN KEY (org_id, channel_id) REFERENCES channels (org_id, id),
    FOREIGN KEY (org_id, delivery_id) REFERENCES deliveries (org_id, id)
);
CALL secure_table('channel_proofs', '{picket_worker,picket_backup}');
-- The code is written and never read back by those who ask for it.
GRANT SELECT (org_id, channel_id, delivery_id, code_mark, tries, created_at, expires_at), INSERT, UPDATE, DELETE ON channel_proofs TO picket_app;
GRANT SELECT, DELETE, UPDATE (sealed_code) ON channel_proofs TO picket_worker;
GRANT SELECT (org_id, channel_id, delivery_id, tries, created_at, expires_at) ON channel_proofs TO picket_reader;

COMMENT ON COLUMN channel_proofs.org_id IS 'subject=tenant; purpose=says whose row it is; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN channel_proofs.channel_id IS 'subject=tenant; purpose=says which channel is to be proven; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN channel_proofs.delivery_id IS 'subject=tenant; purpose=says which message carries it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN channel_proofs.sealed_code IS 'subject=tenant; purpose=is the code until it is sent (sealed); retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN channel_proofs.code_mark IS 'subject=tenant; purpose=tells the code from others (keyed hash); retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN channel_proofs.tries IS 'subject=tenant; purpose=ends guessing; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN channel_proofs.created_at IS 'subject=tenant; purpose=tells when it was asked for; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN channel_proofs.expires_at IS 'subject=tenant; purpose=ends it; retention=expiry; export=no; erase=delete';

-- Messages without a notice (tests, codes) are counted by hour and day; the last message to a channel is shown with it.
CREATE INDEX deliveries_without_notice ON deliveries (org_id, created_at) WHERE notice_id IS NULL;
CREATE INDEX deliveries_channel ON deliveries (channel_id, id DESC);
