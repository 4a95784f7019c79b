-- Regions and the probes in them. They belong to the operator; a private probe also to one organization.

CREATE TABLE regions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code       text NOT NULL UNIQUE CHECK (code ~ '^[a-z][a-z0-9-]{0,31}$'),
    network    text NOT NULL,
    eu         boolean NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE probes (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid          uuid NOT NULL UNIQUE,
    region_id     bigint NOT NULL REFERENCES regions (id),
    org_id        bigint REFERENCES organizations (id),
    name          text NOT NULL,
    sealed_secret bytea NOT NULL,
    created_at    bigint NOT NULL,
    revoked_at    bigint
);
CREATE INDEX probes_region ON probes (region_id) WHERE revoked_at IS NULL;

-- One row a probe, updated with each batch: the only thing that is.
CREATE TABLE probe_status (
    probe_id         bigint PRIMARY KEY REFERENCES probes (id),
    boot             uuid NOT NULL,
    version          text NOT NULL,
    kinds            text[] NOT NULL,
    hello_at         bigint NOT NULL,
    seen_at          bigint NOT NULL,
    batch_at         bigint,
    through          bigint,
    assignments      bigint NOT NULL DEFAULT 0,
    clock_offset_us  bigint,
    ipv4             text NOT NULL DEFAULT 'unverified',
    ipv6             text NOT NULL DEFAULT 'unverified',
    dns              text NOT NULL DEFAULT 'unverified',
    report           jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

-- Every start of a probe that said hello; an earlier one never comes back.
CREATE TABLE probe_boots (
    probe_id bigint NOT NULL REFERENCES probes (id),
    boot     uuid NOT NULL,
    hello_at bigint NOT NULL,
    PRIMARY KEY (probe_id, boot)
);

CREATE TABLE probe_keys (
    probe_id   bigint NOT NULL REFERENCES probes (id),
    number     bigint NOT NULL CHECK (number > 0),
    nonce      bytea NOT NULL CHECK (length(nonce) = 32),
    not_before bigint NOT NULL,
    not_after  bigint NOT NULL,
    PRIMARY KEY (probe_id, number)
);

-- Request tokens are used once; kept until they would have expired anyway.
CREATE TABLE probe_requests (
    jti        uuid PRIMARY KEY,
    expires_at bigint NOT NULL
);
CREATE INDEX probe_requests_expiry ON probe_requests (expires_at);

-- What the collector answered to each batch, for as long as a batch may be repeated (72 h) and a day.
-- Partitioned by the time in the batch's id, so that (probe, jti) is unique across partitions.
CREATE TABLE receipts (
    probe_id    bigint NOT NULL,
    cut_at      bigint NOT NULL,
    jti         uuid NOT NULL,
    body_hash   bytea NOT NULL,
    boot        uuid NOT NULL,
    seq         bigint NOT NULL,
    received_at bigint NOT NULL,
    outcomes    integer NOT NULL,
    receipt     jsonb NOT NULL,
    PRIMARY KEY (probe_id, jti, cut_at)
) PARTITION BY RANGE (cut_at);

GRANT SELECT ON regions, probe_status TO picket_app, picket_reader, picket_worker;
GRANT SELECT (id, uuid, region_id, org_id, name, created_at, revoked_at) ON probes TO picket_app, picket_reader, picket_worker;
GRANT SELECT, INSERT, UPDATE ON regions, probes TO picket_auth;
GRANT SELECT ON probe_status, probe_keys TO picket_auth;
GRANT SELECT ON regions, probes TO picket_intake;
GRANT SELECT, INSERT, UPDATE ON probe_status TO picket_intake;
GRANT SELECT, INSERT ON probe_boots, probe_keys, receipts TO picket_intake;
GRANT SELECT, INSERT ON probe_requests TO picket_intake;
GRANT SELECT, DELETE ON probe_requests, probe_keys TO picket_worker;
GRANT SELECT ON receipts TO picket_worker;
