-- Ranges of a monitor's past in which failures came too late to vote; flow::replay looks for outages in them.
CREATE TABLE replays (
    org_id     bigint NOT NULL,
    monitor_id bigint PRIMARY KEY,
    from_at    bigint NOT NULL,
    to_at      bigint NOT NULL,
    noted_at   bigint NOT NULL,
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id)
);
CALL secure_table('replays', '{picket_intake,picket_worker,picket_backup}');
GRANT SELECT, INSERT, UPDATE ON replays TO picket_intake;
GRANT SELECT, UPDATE, DELETE ON replays TO picket_worker;

COMMENT ON COLUMN replays.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN replays.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN replays.from_at IS 'subject=tenant; purpose=tells where the range begins; retention=account; export=no; erase=delete';
COMMENT ON COLUMN replays.to_at IS 'subject=tenant; purpose=tells where the range ends; retention=account; export=no; erase=delete';
COMMENT ON COLUMN replays.noted_at IS 'subject=tenant; purpose=tells when the last late failure came; retention=account; export=no; erase=delete';
