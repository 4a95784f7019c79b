-- More ways in, and what guards them: what is known of each session, browsers that were here before, failures that were
-- counted, second factors, links in mails, and the mails themselves.

ALTER TABLE users
    -- Since when it is known that mail to the address reaches its user.
    ADD COLUMN email_confirmed_at bigint;

ALTER TABLE sessions
    ADD COLUMN uuid       uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    -- When who is behind it last gave a password or a second factor; none after a link from a mail.
    ADD COLUMN proven_at  bigint,
    ADD COLUMN browser    text CHECK (length(browser) <= 40),
    ADD COLUMN system     text CHECK (length(system) <= 40);

-- Browsers that a user was let in from: one cookie a browser, one row for each user of it.
CREATE TABLE devices (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    user_id    bigint NOT NULL REFERENCES users (id),
    created_at bigint NOT NULL,
    seen_at    bigint NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT devices_token_user UNIQUE (token_hash, user_id)
);
CREATE INDEX devices_user ON devices (user_id);
CREATE INDEX devices_expiry ON devices (expires_at);

-- Wrong answers in a row, by the hash of the address that was given, whether somebody has it or not, or of address and
-- known browser.
CREATE TABLE sign_in_failures (
    key          bytea PRIMARY KEY CHECK (length(key) = 32),
    failures     integer NOT NULL,
    last_at      bigint NOT NULL,
    locked_until bigint
);
CREATE INDEX sign_in_failures_last ON sign_in_failures (last_at);

-- Who gave the first of two factors.
CREATE TABLE half_sign_ins (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id    bigint NOT NULL REFERENCES users (id),
    tries      integer NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX half_sign_ins_user ON half_sign_ins (user_id);

-- Codes by time (RFC 6238). Without confirmed_at it is being set up and asks nobody for a code.
CREATE TABLE totp_secrets (
    user_id       bigint PRIMARY KEY REFERENCES users (id),
    sealed_secret bytea NOT NULL,
    created_at    bigint NOT NULL,
    confirmed_at  bigint,
    -- The step of the code that was taken last: neither it nor an older one is taken again.
    last_step     bigint NOT NULL DEFAULT 0
);

CREATE TABLE recovery_codes (
    code_hash  bytea PRIMARY KEY CHECK (length(code_hash) = 32),
    user_id    bigint NOT NULL REFERENCES users (id),
    created_at bigint NOT NULL,
    used_at    bigint
);
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

-- Links that are mailed, or printed at the console: each does one thing, once.
CREATE TABLE account_links (
    token_hash   bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    purpose      text NOT NULL
        CHECK (purpose IN ('sign_in', 'reset', 'recover', 'sign_up', 'confirm', 'change_old', 'change_new')),
    -- The address that it was made for. Whose that is, is looked up when the link is used.
    email        text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    -- Who asked, where that was somebody who is signed in.
    user_id      bigint REFERENCES users (id),
    -- The browser that asked, where no other may use it.
    browser_hash bytea CHECK (length(browser_hash) = 32),
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    used_at      bigint
);
CREATE INDEX account_links_user ON account_links (user_id);
CREATE INDEX account_links_email ON account_links (email);
CREATE INDEX account_links_expiry ON account_links (expires_at);

-- The address that a user wants instead, until both have agreed.
CREATE TABLE address_changes (
    user_id          bigint PRIMARY KEY REFERENCES users (id),
    email            text NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    created_at       bigint NOT NULL,
    expires_at       bigint NOT NULL,
    old_confirmed_at bigint,
    new_confirmed_at bigint
);

-- Mails about accounts. What is in one is sealed, its address too, and goes when the mail has ended.
CREATE TABLE account_mails (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid              uuid NOT NULL UNIQUE,
    user_id           bigint REFERENCES users (id),
    template          text NOT NULL CHECK (length(template) BETWEEN 1 AND 40),
    sealed_parameters bytea,
    state             text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed', 'superseded')),
    attempts          integer NOT NULL DEFAULT 0,
    answer            text,
    created_at        bigint NOT NULL,
    next_at           bigint NOT NULL,
    leased_until      bigint,
    gives_up_at       bigint NOT NULL,
    ended_at          bigint,
    CONSTRAINT account_mails_ended CHECK ((state = 'pending') = (ended_at IS NULL)),
    CONSTRAINT account_mails_sealed CHECK ((state = 'pending') = (sealed_parameters IS NOT NULL))
);
CREATE INDEX account_mails_due ON account_mails (next_at) WHERE state = 'pending';
CREATE INDEX account_mails_user ON account_mails (user_id, template, created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices, sign_in_failures, half_sign_ins, totp_secrets, recovery_codes, account_links,
    address_changes TO picket_auth;
-- Who asks for a mail cannot read what is in it.
GRANT SELECT (id, user_id, template, state, created_at, ended_at), INSERT, DELETE ON account_mails TO picket_auth;
GRANT SELECT, UPDATE ON account_mails TO picket_worker;
-- A mail to an address that nobody has is not sent.
GRANT SELECT (id, email, deleted_at) ON users TO picket_worker;

COMMENT ON COLUMN users.email_confirmed_at IS 'subject=user; purpose=tells since when mail to the address is known to arrive; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN sessions.uuid IS 'subject=user; purpose=names the session in a list of them; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN sessions.proven_at IS 'subject=user; purpose=tells when the user last proved who it is; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN sessions.browser IS 'subject=user; purpose=lets the user tell sessions apart; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN sessions.system IS 'subject=user; purpose=lets the user tell sessions apart; retention=expiry; export=yes; erase=delete';

COMMENT ON COLUMN devices.id IS 'subject=user; purpose=joins rows inside the database; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN devices.token_hash IS 'subject=user; purpose=knows the browser again; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN devices.user_id IS 'subject=user; purpose=says who was let in there; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN devices.created_at IS 'subject=user; purpose=tells since when it is known; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN devices.seen_at IS 'subject=user; purpose=tells when somebody last signed in there; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN devices.expires_at IS 'subject=user; purpose=forgets it one day; retention=expiry; export=yes; erase=delete';

COMMENT ON COLUMN sign_in_failures.key IS 'subject=none; purpose=counts failures of one account (a hash); retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN sign_in_failures.failures IS 'subject=none; purpose=ends guessing; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN sign_in_failures.last_at IS 'subject=none; purpose=forgets failures after a day; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN sign_in_failures.locked_until IS 'subject=none; purpose=ends guessing; retention=expiry; export=no; erase=keep';

COMMENT ON COLUMN half_sign_ins.token_hash IS 'subject=user; purpose=finds who gave the first factor; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN half_sign_ins.user_id IS 'subject=user; purpose=says who it is; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN half_sign_ins.tries IS 'subject=user; purpose=ends guessing; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN half_sign_ins.created_at IS 'subject=user; purpose=tells when it was begun; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN half_sign_ins.expires_at IS 'subject=user; purpose=ends it; retention=expiry; export=no; erase=delete';

COMMENT ON COLUMN totp_secrets.user_id IS 'subject=user; purpose=says whose second factor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN totp_secrets.sealed_secret IS 'subject=user; purpose=proves who signs in (sealed); retention=account; export=no; erase=delete';
COMMENT ON COLUMN totp_secrets.created_at IS 'subject=user; purpose=tells when it was begun; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN totp_secrets.confirmed_at IS 'subject=user; purpose=tells since when it is asked for; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN totp_secrets.last_step IS 'subject=user; purpose=lets a code work once; retention=account; export=no; erase=delete';

COMMENT ON COLUMN recovery_codes.code_hash IS 'subject=user; purpose=knows a code again; retention=account; export=no; erase=delete';
COMMENT ON COLUMN recovery_codes.user_id IS 'subject=user; purpose=says whose code it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN recovery_codes.created_at IS 'subject=user; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN recovery_codes.used_at IS 'subject=user; purpose=lets a code work once; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN account_links.token_hash IS 'subject=user; purpose=finds the link that was followed; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_links.purpose IS 'subject=user; purpose=says what the link may do; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_links.email IS 'subject=user; purpose=binds the link to an address; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN account_links.user_id IS 'subject=user; purpose=says who asked for it; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_links.browser_hash IS 'subject=user; purpose=binds the link to a browser; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_links.created_at IS 'subject=user; purpose=tells when it was made; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN account_links.expires_at IS 'subject=user; purpose=ends the link; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN account_links.used_at IS 'subject=user; purpose=lets it work once; retention=expiry; export=yes; erase=delete';

COMMENT ON COLUMN address_changes.user_id IS 'subject=user; purpose=says who wants another address; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN address_changes.email IS 'subject=user; purpose=is the address that is wanted; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN address_changes.created_at IS 'subject=user; purpose=tells when it was asked for; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN address_changes.expires_at IS 'subject=user; purpose=ends it; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN address_changes.old_confirmed_at IS 'subject=user; purpose=tells when the present address agreed; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN address_changes.new_confirmed_at IS 'subject=user; purpose=tells when the other address agreed; retention=expiry; export=yes; erase=delete';

COMMENT ON COLUMN account_mails.id IS 'subject=user; purpose=joins rows inside the database; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.uuid IS 'subject=user; purpose=names the mail towards servers; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN account_mails.user_id IS 'subject=user; purpose=says whose account it is about; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.template IS 'subject=user; purpose=says what was told; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN account_mails.sealed_parameters IS 'subject=user; purpose=is what the mail says until it has ended (sealed); retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.state IS 'subject=user; purpose=tells whether it was sent; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN account_mails.attempts IS 'subject=user; purpose=spaces further attempts; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.answer IS 'subject=user; purpose=tells why it was not sent; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.created_at IS 'subject=user; purpose=tells when it was made; retention=expiry; export=yes; erase=delete';
COMMENT ON COLUMN account_mails.next_at IS 'subject=user; purpose=tells when it is tried next; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.leased_until IS 'subject=user; purpose=keeps it from being sent twice; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.gives_up_at IS 'subject=user; purpose=ends attempts; retention=expiry; export=no; erase=delete';
COMMENT ON COLUMN account_mails.ended_at IS 'subject=user; purpose=tells when it was sent or given up; retention=expiry; export=yes; erase=delete';
