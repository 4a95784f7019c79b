-- The data processing agreement: its versions, and what each organization was issued and accepted, as it was rendered.
CREATE TABLE dpa_versions (
    number  integer PRIMARY KEY CHECK (number > 0),
    hash    text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    -- The hash of each part by its name, and which of them differ from the version before.
    parts   jsonb NOT NULL,
    changed jsonb NOT NULL,
    -- With {organization} and {issued}, which are filled when it is issued.
    body    text NOT NULL,
    made_at bigint NOT NULL
);
GRANT SELECT, INSERT ON dpa_versions TO picket_auth;

CREATE TABLE dpas (
    org_id      bigint NOT NULL REFERENCES organizations (id),
    version     integer NOT NULL REFERENCES dpa_versions (number),
    hash        text NOT NULL,
    body        text NOT NULL,
    issued_at   bigint NOT NULL,
    accepted_at bigint,
    accepted_by text,
    PRIMARY KEY (org_id, version),
    CONSTRAINT dpas_accepted CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
);
CALL secure_table('dpas', '{picket_auth,picket_backup}');
-- What was issued is never changed; only that it was accepted is added.
GRANT SELECT, INSERT, UPDATE (accepted_at, accepted_by) ON dpas TO picket_auth;
GRANT SELECT ON dpas TO picket_app;

COMMENT ON COLUMN dpa_versions.number IS 'subject=none; purpose=names the version; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN dpa_versions.hash IS 'subject=none; purpose=tells versions apart; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN dpa_versions.parts IS 'subject=none; purpose=tells which part of it changed; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN dpa_versions.changed IS 'subject=none; purpose=says what changed; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN dpa_versions.body IS 'subject=none; purpose=is what is issued to organizations; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN dpa_versions.made_at IS 'subject=none; purpose=tells when it was made; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN dpas.org_id IS 'subject=tenant; purpose=says with which organization it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN dpas.version IS 'subject=tenant; purpose=says which version it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN dpas.hash IS 'subject=tenant; purpose=shows that it is that version; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN dpas.body IS 'subject=tenant; purpose=is the agreement as it was issued; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN dpas.issued_at IS 'subject=tenant; purpose=tells when it was issued; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN dpas.accepted_at IS 'subject=tenant; purpose=proves when it was accepted; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN dpas.accepted_by IS 'subject=user; purpose=proves who accepted it; retention=account; export=yes; erase=mask';

CALL grant_erasure();
