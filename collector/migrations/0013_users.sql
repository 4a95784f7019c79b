-- Who may sign in. These tables are read before a tenant is known, so they belong to the role that may do that.

CREATE TABLE users (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid                uuid NOT NULL UNIQUE,
    -- Trimmed, in lower case.
    email               text NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    -- Argon2id, as a PHC string.
    password_hash       text NOT NULL,
    created_at          bigint NOT NULL,
    password_changed_at bigint NOT NULL,
    signed_in_at        bigint,
    deleted_at          bigint
);
CREATE UNIQUE INDEX users_email ON users (email) WHERE deleted_at IS NULL;

CREATE TABLE memberships (
    org_id     bigint NOT NULL REFERENCES organizations (id),
    user_id    bigint NOT NULL REFERENCES users (id),
    role       text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'responder', 'viewer')),
    created_at bigint NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

-- One row a signed-in browser. The token itself is never stored.
CREATE TABLE sessions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    user_id    bigint NOT NULL REFERENCES users (id),
    created_at bigint NOT NULL,
    seen_at    bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Links that do one thing, once: for now the set-up of the first administrator.
CREATE TABLE one_time_links (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    purpose    text NOT NULL CHECK (purpose IN ('set_up')),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at    bigint
);

CALL secure_table('memberships', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT ON memberships TO picket_app, picket_reader, picket_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON memberships TO picket_auth;
GRANT SELECT, INSERT, UPDATE ON users TO picket_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO picket_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON one_time_links TO picket_auth;

COMMENT ON COLUMN users.id IS 'subject=user; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN users.uuid IS 'subject=user; purpose=names the user outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN users.email IS 'subject=user; purpose=is what the user signs in with; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN users.password_hash IS 'subject=user; purpose=proves who signs in; retention=account; export=no; erase=delete';
COMMENT ON COLUMN users.created_at IS 'subject=user; purpose=tells when the user was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN users.password_changed_at IS 'subject=user; purpose=tells how old the password is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN users.signed_in_at IS 'subject=user; purpose=tells when the user last signed in; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN users.deleted_at IS 'subject=user; purpose=ends the account until it is erased; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN memberships.org_id IS 'subject=tenant; purpose=says in which organization; retention=account; export=no; erase=delete';
COMMENT ON COLUMN memberships.user_id IS 'subject=user; purpose=says who; retention=account; export=no; erase=delete';
COMMENT ON COLUMN memberships.role IS 'subject=user; purpose=says what the user may do there; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN memberships.created_at IS 'subject=user; purpose=tells since when; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN sessions.id IS 'subject=user; purpose=joins rows inside the database; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN sessions.token_hash IS 'subject=user; purpose=finds the session of a request; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN sessions.user_id IS 'subject=user; purpose=says whose session it is; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN sessions.created_at IS 'subject=user; purpose=tells when the user signed in; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN sessions.seen_at IS 'subject=user; purpose=ends sessions that are not used; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN sessions.expires_at IS 'subject=user; purpose=ends every session one day; retention=expiry; export=yes; erase=delete';

COMMENT ON COLUMN one_time_links.id IS 'subject=none; purpose=joins rows inside the database; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN one_time_links.token_hash IS 'subject=none; purpose=finds the link that was followed; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN one_time_links.purpose IS 'subject=none; purpose=says what the link may do; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN one_time_links.created_at IS 'subject=none; purpose=tells when it was made; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN one_time_links.expires_at IS 'subject=none; purpose=ends the link; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN one_time_links.used_at IS 'subject=none; purpose=lets it work once; retention=expiry; export=no; erase=keep';

-- A deletion can be undone for an hour; then the credentials go.
GRANT UPDATE (sealed_secret) ON monitors TO picket_worker;
