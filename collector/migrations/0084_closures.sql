-- Accounts and organizations that were closed: for seven days as they were, then erased. And what is left to say of an erasure.

CREATE TABLE closures (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid        uuid NOT NULL UNIQUE,
    -- What was closed: one of the two.
    user_id     bigint REFERENCES users (id),
    org_id      bigint REFERENCES organizations (id),
    -- The account with which an organization was closed, and with which it comes back.
    with_id     bigint REFERENCES closures (id) ON DELETE SET NULL,
    closed_at   bigint NOT NULL,
    erase_at    bigint NOT NULL CHECK (erase_at > closed_at),
    -- Of an account: where it belonged, as what, until when.
    memberships jsonb NOT NULL DEFAULT '[]',
    -- Who owned an organization.
    owners      bigint[] NOT NULL DEFAULT '{}',
    -- The monitors of an organization that this paused, and whether it has paused all of them.
    paused      bigint[] NOT NULL DEFAULT '{}',
    stopped     boolean NOT NULL DEFAULT false,
    -- An organization that was brought back: what was paused is to run again, then the row goes.
    restored_at bigint,
    -- From then on nothing brings it back.
    began_at    bigint,
    -- Rows that were erased so far, by table.
    counts      jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT closures_one CHECK (num_nonnulls(user_id, org_id) = 1)
);
CREATE UNIQUE INDEX closures_user ON closures (user_id) WHERE restored_at IS NULL;
CREATE UNIQUE INDEX closures_org ON closures (org_id) WHERE restored_at IS NULL;
CREATE INDEX closures_of_org ON closures (org_id);
CREATE INDEX closures_with ON closures (with_id);
CREATE INDEX closures_due ON closures (erase_at);

-- A service member has no account that could be closed.
CREATE TRIGGER people_only BEFORE INSERT OR UPDATE OF user_id ON closures
    FOR EACH ROW WHEN (NEW.user_id IS NOT NULL) EXECUTE FUNCTION people_only();

CALL secure_table('closures', '{picket_auth,picket_worker,picket_backup,picket_eraser}');
GRANT SELECT, INSERT, DELETE, UPDATE (restored_at, with_id) ON closures TO picket_auth;
GRANT SELECT (id, org_id, closed_at, paused, stopped, restored_at), UPDATE (paused, stopped), DELETE ON closures TO picket_app;
GRANT SELECT, DELETE, UPDATE (began_at, counts) ON closures TO picket_eraser;

-- What an erasure came to. Nobody is named: the subject's random id says nothing to who does not have it.
CREATE TABLE erasures (
    subject_id   uuid PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('account', 'organization')),
    erased_at    bigint NOT NULL,
    counts       jsonb NOT NULL,
    -- When the last backup is gone in which it is still; none where nothing is archived.
    copies_until bigint
);
GRANT SELECT, INSERT ON erasures TO picket_eraser;

-- A link that brings something back: it goes with the closure.
ALTER TABLE account_links
    ADD COLUMN closure_id bigint REFERENCES closures (id) ON DELETE CASCADE,
    DROP CONSTRAINT account_links_purpose_check,
    ADD CONSTRAINT account_links_purpose_check CHECK (purpose IN
        ('sign_in', 'reset', 'recover', 'sign_up', 'confirm', 'change_old', 'change_new', 'restore')),
    ADD CONSTRAINT account_links_closure CHECK ((purpose = 'restore') = (closure_id IS NOT NULL));
CREATE INDEX account_links_closure ON account_links (closure_id);

-- Keys of an organization that is closed end for good.
GRANT UPDATE (revoked_at) ON api_keys TO picket_auth;

COMMENT ON COLUMN closures.id IS 'subject=none; purpose=joins rows inside the database; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.uuid IS 'subject=none; purpose=names the closure outside; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.user_id IS 'subject=user; purpose=says whose account was closed; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.org_id IS 'subject=tenant; purpose=says which organization was closed; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.with_id IS 'subject=none; purpose=says with which account it was closed; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.closed_at IS 'subject=none; purpose=tells when; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.erase_at IS 'subject=none; purpose=says when it is erased; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.memberships IS 'subject=user; purpose=brings the memberships back; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.owners IS 'subject=user; purpose=says who is told of the end; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.paused IS 'subject=tenant; purpose=says which monitors run again when it comes back; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.stopped IS 'subject=none; purpose=says whether all its monitors stand still; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.restored_at IS 'subject=none; purpose=says that it was brought back; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.began_at IS 'subject=none; purpose=ends the time in which it comes back; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN closures.counts IS 'subject=none; purpose=counts what was erased so far; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN erasures.subject_id IS 'subject=none; purpose=says what was erased, by an id that says nothing; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN erasures.kind IS 'subject=none; purpose=says whether it was an account or an organization; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN erasures.erased_at IS 'subject=none; purpose=tells when; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN erasures.counts IS 'subject=none; purpose=counts the rows by table; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN erasures.copies_until IS 'subject=none; purpose=tells when the last backup that has it is gone; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN account_links.closure_id IS 'subject=user; purpose=says what the link brings back; retention=expiry; export=no; erase=delete';
