-- Large exports: asked for, made by a task, kept sealed for seven days, and taken by who asked.
CREATE TABLE exports (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid         uuid NOT NULL UNIQUE,
    org_id       bigint NOT NULL REFERENCES organizations (id),
    user_id      bigint NOT NULL REFERENCES users (id),
    part         text NOT NULL CHECK (part IN ('account', 'organization')),
    format       text NOT NULL CHECK (format IN ('json', 'csv')),
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'making', 'ready', 'failed')),
    asked_at     bigint NOT NULL,
    -- Who makes it holds it until then; after that it is made anew.
    leased_until bigint,
    ended_at     bigint,
    expires_at   bigint NOT NULL CHECK (expires_at > asked_at),
    -- So far, or in all: pieces, bytes of the file, and rows of each table.
    pieces       integer NOT NULL DEFAULT 0,
    bytes        bigint NOT NULL DEFAULT 0,
    counts       jsonb NOT NULL DEFAULT '[]',
    failure      text,
    CONSTRAINT exports_ended CHECK ((ended_at IS NOT NULL) = (state IN ('ready', 'failed')) AND (failure IS NOT NULL) = (state = 'failed'))
);
CREATE INDEX exports_of_user ON exports (user_id);
CREATE INDEX exports_of_org ON exports (org_id);
CREATE INDEX exports_due ON exports (asked_at) WHERE state IN ('waiting', 'making');
CALL secure_table('exports', '{picket_auth,picket_backup}');
GRANT SELECT, INSERT, DELETE, UPDATE (state, leased_until, ended_at, expires_at, pieces, bytes, counts, failure) ON exports TO picket_auth;
-- An export of the organization tells of them, as its audit log does.
GRANT SELECT (id, uuid, org_id, user_id, part, format, state, asked_at, ended_at, expires_at, bytes, counts, failure) ON exports TO picket_app;

-- The file in pieces, each packed and sealed. Not logged: it is a copy of what is stored elsewhere, and goes into no backup and no archive;
-- after a crash, and in a copy that is restored, it is empty, and has to be asked for again.
CREATE UNLOGGED TABLE export_pieces (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The context of the seal.
    uuid         uuid NOT NULL,
    export_id    bigint NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
    org_id       bigint NOT NULL REFERENCES organizations (id),
    user_id      bigint NOT NULL REFERENCES users (id),
    number       integer NOT NULL CHECK (number > 0),
    -- Bytes of the piece when it is unpacked.
    size         integer NOT NULL,
    sealed_piece bytea NOT NULL,
    UNIQUE (export_id, number)
);
CREATE INDEX export_pieces_of_user ON export_pieces (user_id);
CREATE INDEX export_pieces_of_org ON export_pieces (org_id);
CALL secure_table('export_pieces', '{picket_auth,picket_backup}');
GRANT SELECT, INSERT, DELETE, UPDATE (sealed_piece) ON export_pieces TO picket_auth;

COMMENT ON COLUMN exports.id IS 'subject=user; purpose=joins rows inside the database; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN exports.uuid IS 'subject=user; purpose=names the export outside; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.org_id IS 'subject=tenant; purpose=says in which organization it was asked for; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN exports.user_id IS 'subject=user; purpose=says who asked for it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN exports.part IS 'subject=user; purpose=says about whom it is; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.format IS 'subject=user; purpose=says what kind of file it is; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.state IS 'subject=user; purpose=tells whether it can be taken; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.asked_at IS 'subject=user; purpose=tells when it was asked for; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.leased_until IS 'subject=none; purpose=keeps it from being made twice; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN exports.ended_at IS 'subject=user; purpose=tells when it was made; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.expires_at IS 'subject=user; purpose=ends it; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.pieces IS 'subject=none; purpose=tells whether all of it is there; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN exports.bytes IS 'subject=user; purpose=tells how large it is; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.counts IS 'subject=user; purpose=counts its rows by table; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN exports.failure IS 'subject=user; purpose=tells why it was not made; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN export_pieces.id IS 'subject=none; purpose=joins rows inside the database; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN export_pieces.uuid IS 'subject=none; purpose=binds the seal to its piece; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN export_pieces.export_id IS 'subject=none; purpose=says of which export it is; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN export_pieces.org_id IS 'subject=tenant; purpose=says whose row it is; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN export_pieces.user_id IS 'subject=user; purpose=says who takes it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN export_pieces.number IS 'subject=none; purpose=orders the pieces; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN export_pieces.size IS 'subject=none; purpose=tells how large it is unpacked; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN export_pieces.sealed_piece IS 'subject=user; purpose=is a piece of the file (sealed); retention=expiry; export=no; erase=delete';

CALL grant_erasure();
