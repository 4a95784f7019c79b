-- Alarms that stand at a receiver which forgets them unless they are told again, such as Alertmanager.

CREATE TABLE standing_alarms (
    org_id      bigint NOT NULL,
    channel_id  bigint NOT NULL,
    -- The same from beginning to end.
    key         text NOT NULL,
    -- The message that raised it, which is told again.
    delivery_id bigint NOT NULL,
    next_at     bigint NOT NULL,
    PRIMARY KEY (channel_id, key),
    FOREIGN KEY (org_id, channel_id) REFERENCES channels (org_id, id),
    FOREIGN KEY (org_id, delivery_id) REFERENCES deliveries (org_id, id)
);
CREATE INDEX standing_alarms_due ON standing_alarms (next_at);
CREATE INDEX standing_alarms_delivery ON standing_alarms (delivery_id);
CALL secure_table('standing_alarms', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE, DELETE ON standing_alarms TO picket_worker;
GRANT SELECT ON standing_alarms TO picket_app, picket_reader;

COMMENT ON COLUMN standing_alarms.org_id IS 'subject=tenant; purpose=says whose row it is; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN standing_alarms.channel_id IS 'subject=tenant; purpose=says who is told again; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN standing_alarms.key IS 'subject=tenant; purpose=tells one alarm from another; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN standing_alarms.delivery_id IS 'subject=tenant; purpose=says what is told; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN standing_alarms.next_at IS 'subject=tenant; purpose=says when it is told again; retention=expiry; export=no; erase=delete';
