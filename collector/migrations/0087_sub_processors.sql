-- Who else works on the data, as the settings said it when it was looked at; and which organizations were told of what changed.
CREATE TABLE sub_processor_lists (
    number   integer PRIMARY KEY CHECK (number > 0),
    list     jsonb NOT NULL,
    -- What differs from the list before; nothing in the first one.
    changes  jsonb NOT NULL,
    noted_at bigint NOT NULL
);
GRANT SELECT, INSERT ON sub_processor_lists TO picket_auth;
GRANT SELECT ON sub_processor_lists TO picket_worker;

CREATE TABLE sub_processor_notices (
    org_id  bigint NOT NULL REFERENCES organizations (id),
    list    integer NOT NULL REFERENCES sub_processor_lists (number),
    told_at bigint NOT NULL,
    -- How many owners were written to.
    owners  integer NOT NULL,
    -- What was told.
    message text NOT NULL,
    PRIMARY KEY (org_id, list)
);
CALL secure_table('sub_processor_notices', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT, INSERT ON sub_processor_notices TO picket_auth;
GRANT SELECT ON sub_processor_notices TO picket_app, picket_worker;

COMMENT ON COLUMN sub_processor_lists.number IS 'subject=none; purpose=names the list; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN sub_processor_lists.list IS 'subject=none; purpose=says who worked on the data; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN sub_processor_lists.changes IS 'subject=none; purpose=says what was to be told; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN sub_processor_lists.noted_at IS 'subject=none; purpose=tells when it was noted; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN sub_processor_notices.org_id IS 'subject=tenant; purpose=says which organization was told; retention=account; export=no; erase=delete';
COMMENT ON COLUMN sub_processor_notices.list IS 'subject=tenant; purpose=says of which list; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN sub_processor_notices.told_at IS 'subject=tenant; purpose=proves when its owners were told of other sub-processors; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN sub_processor_notices.owners IS 'subject=tenant; purpose=counts the owners who were written to; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN sub_processor_notices.message IS 'subject=tenant; purpose=shows what they were told; retention=account; export=yes; erase=delete';

CALL grant_erasure();
