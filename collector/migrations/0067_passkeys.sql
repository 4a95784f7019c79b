-- Passkeys (Web Authentication): public keys of authenticators, and the challenges that they sign.

CREATE TABLE passkeys (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid            uuid NOT NULL UNIQUE,
    user_id         bigint NOT NULL REFERENCES users (id),
    credential_id   bytea NOT NULL CHECK (length(credential_id) BETWEEN 1 AND 1023),
    -- The host that it was made for: it works at no other.
    party           text NOT NULL CHECK (length(party) BETWEEN 1 AND 253),
    public_key      bytea NOT NULL CHECK (length(public_key) BETWEEN 1 AND 200),
    -- How often it signed, as it says itself; 0 where it does not count.
    sign_count      bigint NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    -- Whether it may be copied to other devices, which never changes, and whether it is.
    backup_eligible boolean NOT NULL,
    backed_up       boolean NOT NULL CHECK (backup_eligible OR NOT backed_up),
    created_at      bigint NOT NULL,
    last_used_at    bigint,
    CONSTRAINT passkeys_credential UNIQUE (credential_id)
);
CREATE INDEX passkeys_user ON passkeys (user_id);

-- What is to be signed: once, within minutes, in the browser or session that asked.
CREATE TABLE passkey_challenges (
    challenge_hash bytea PRIMARY KEY CHECK (length(challenge_hash) = 32),
    purpose        text NOT NULL CHECK (purpose IN ('add', 'sign_in', 'second_step', 'step_up')),
    binding_hash   bytea NOT NULL CHECK (length(binding_hash) = 32),
    -- Who asked, where that is known.
    user_id        bigint REFERENCES users (id),
    created_at     bigint NOT NULL,
    expires_at     bigint NOT NULL,
    CONSTRAINT passkey_challenges_user CHECK ((user_id IS NULL) = (purpose = 'sign_in'))
);
CREATE INDEX passkey_challenges_user ON passkey_challenges (user_id);
CREATE INDEX passkey_challenges_expiry ON passkey_challenges (expires_at);

GRANT SELECT, INSERT, DELETE, UPDATE (sign_count, backed_up, last_used_at) ON passkeys TO picket_auth;
GRANT SELECT, INSERT, DELETE ON passkey_challenges TO picket_auth;

COMMENT ON COLUMN passkeys.id IS 'subject=user; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN passkeys.uuid IS 'subject=user; purpose=names the passkey in a list of them; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.user_id IS 'subject=user; purpose=says who signs in with it; retention=account; export=no; erase=delete';
COMMENT ON COLUMN passkeys.credential_id IS 'subject=user; purpose=finds the passkey that was used; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.party IS 'subject=user; purpose=says at which address it works; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.public_key IS 'subject=user; purpose=proves who signs in (a public key); retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.sign_count IS 'subject=user; purpose=finds copies of an authenticator; retention=account; export=no; erase=delete';
COMMENT ON COLUMN passkeys.name IS 'subject=user; purpose=names the passkey to its user; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.backup_eligible IS 'subject=user; purpose=tells whether it may be copied to other devices; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.backed_up IS 'subject=user; purpose=tells whether it is copied to other devices; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.created_at IS 'subject=user; purpose=tells when it was added; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN passkeys.last_used_at IS 'subject=user; purpose=shows passkeys that nobody uses; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN passkey_challenges.challenge_hash IS 'subject=user; purpose=knows the challenge again; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN passkey_challenges.purpose IS 'subject=user; purpose=says what it may be used for; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN passkey_challenges.binding_hash IS 'subject=user; purpose=binds it to a browser or session; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN passkey_challenges.user_id IS 'subject=user; purpose=says who asked; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN passkey_challenges.created_at IS 'subject=user; purpose=tells when it was drawn; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN passkey_challenges.expires_at IS 'subject=user; purpose=ends it; retention=expiry; export=no; erase=delete';
