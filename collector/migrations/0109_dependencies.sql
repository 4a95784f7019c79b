-- What a monitor depends on: while that is down, nobody is told of it.
CREATE TABLE monitor_dependencies (
    org_id     bigint NOT NULL,
    monitor_id bigint NOT NULL,
    parent_id  bigint NOT NULL,
    PRIMARY KEY (monitor_id, parent_id),
    FOREIGN KEY (org_id, monitor_id) REFERENCES monitors (org_id, id),
    FOREIGN KEY (org_id, parent_id) REFERENCES monitors (org_id, id),
    CONSTRAINT monitor_dependencies_other CHECK (monitor_id <> parent_id)
);
CREATE INDEX monitor_dependencies_parent ON monitor_dependencies (parent_id);
CALL secure_table('monitor_dependencies', '{picket_worker,picket_backup}');
GRANT SELECT, INSERT, DELETE ON monitor_dependencies TO picket_app;
GRANT SELECT ON monitor_dependencies TO picket_worker, picket_reader;

COMMENT ON COLUMN monitor_dependencies.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN monitor_dependencies.monitor_id IS 'subject=tenant; purpose=says which monitor depends; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitor_dependencies.parent_id IS 'subject=tenant; purpose=says on which; retention=account; export=yes; erase=delete';

CALL grant_erasure();
