-- A channel whose messages do not arrive is told of through the others.
ALTER TABLE channels ADD COLUMN failing_since bigint;
GRANT SELECT (failing_since) ON channels TO picket_app, picket_reader;
GRANT UPDATE (failing_since) ON channels TO picket_worker;

ALTER TABLE notices
    ADD COLUMN channel_id bigint,
    ADD CONSTRAINT notices_channel FOREIGN KEY (org_id, channel_id) REFERENCES channels (org_id, id),
    DROP CONSTRAINT notices_about,
    ADD CONSTRAINT notices_about CHECK (num_nonnulls(monitor_id, incident_id, occurrence_id, channel_id) > 0);
CREATE INDEX notices_channel ON notices (channel_id, id) WHERE channel_id IS NOT NULL;

COMMENT ON COLUMN channels.failing_since IS 'subject=tenant; purpose=says since when its messages do not arrive; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN notices.channel_id IS 'subject=tenant; purpose=says whose messages do not arrive; retention=account; export=no; erase=delete';

CALL grant_erasure();
