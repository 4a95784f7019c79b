-- Keys of programs: each belongs to one user in one organization and never does more than that user may do there.
CREATE TABLE api_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id       bigint NOT NULL,
    user_id      bigint NOT NULL,
    -- What stands in the key itself and names it.
    public_id    text NOT NULL CHECK (public_id ~ '^[0-9A-Za-z]{8}$'),
    -- SHA-256 of the whole key; the key itself is never stored.
    key_hash     bytea NOT NULL CHECK (length(key_hash) = 32),
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    scopes       text[] NOT NULL CHECK (cardinality(scopes) > 0),
    -- From where it works; from anywhere if empty.
    networks     text[] NOT NULL DEFAULT '{}',
    created_at   bigint NOT NULL,
    expires_at   bigint CHECK (expires_at > created_at),
    last_used_at bigint,
    revoked_at   bigint,
    CONSTRAINT api_keys_public_id UNIQUE (public_id),
    -- A key goes with the membership that it stands for, and does not come back with it.
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX api_keys_owner ON api_keys (org_id, user_id);
CREATE INDEX api_keys_user ON api_keys (user_id);

CALL secure_table('api_keys', '{picket_auth,picket_backup}');
-- Tenants write hashes and never read them; who looks a key up before a tenant is known reads them and notes the use.
GRANT INSERT ON api_keys TO picket_app;
GRANT SELECT (id, org_id, user_id, public_id, name, scopes, networks, created_at, expires_at, last_used_at, revoked_at)
    ON api_keys TO picket_app, picket_reader;
GRANT UPDATE (revoked_at) ON api_keys TO picket_app;
GRANT SELECT, UPDATE (last_used_at) ON api_keys TO picket_auth;

COMMENT ON COLUMN api_keys.id IS 'subject=user; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN api_keys.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN api_keys.user_id IS 'subject=user; purpose=says for whom the key stands; retention=account; export=no; erase=delete';
COMMENT ON COLUMN api_keys.public_id IS 'subject=user; purpose=finds the key of a request and names it to people; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN api_keys.key_hash IS 'subject=user; purpose=proves that a request holds the key; retention=account; export=no; erase=delete';
COMMENT ON COLUMN api_keys.name IS 'subject=user; purpose=names the key to its user; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN api_keys.scopes IS 'subject=user; purpose=says what the key may do at most; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN api_keys.networks IS 'subject=user; purpose=says from where the key works; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN api_keys.created_at IS 'subject=user; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN api_keys.expires_at IS 'subject=user; purpose=ends the key one day; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN api_keys.last_used_at IS 'subject=user; purpose=shows keys that nobody uses; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN api_keys.revoked_at IS 'subject=user; purpose=ends the key at once; retention=account; export=yes; erase=delete';
