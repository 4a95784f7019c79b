-- The audit log becomes a chain of hashes for each organization and one for the instance. Whoever inserts a row, by whatever
-- statement, gets number, salt, commitment and link from a trigger: no writer can choose them or leave them out.
-- `domain::audit_chain` computes the same in Rust when the chain is verified.

-- A detail is kept as the very text that was hashed. What may be erased of an entry can be null.
ALTER TABLE audit ALTER COLUMN detail DROP DEFAULT;
ALTER TABLE audit ALTER COLUMN detail TYPE json USING detail::json;
ALTER TABLE audit
    ALTER COLUMN detail SET DEFAULT '{}',
    ALTER COLUMN detail DROP NOT NULL,
    ALTER COLUMN actor DROP NOT NULL,
    ALTER COLUMN subject DROP NOT NULL,
    ADD COLUMN origin text,
    ADD COLUMN seq bigint,
    ADD COLUMN salt bytea,
    ADD COLUMN commitment bytea,
    ADD COLUMN link bytea;

-- A field with its length in front; an absent one is not an empty one.
CREATE FUNCTION audit_field(value text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN value IS NULL THEN '\x00'::bytea
           ELSE '\x01'::bytea || int8send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8') END;

CREATE FUNCTION audit_commitment(salt bytea, actor text, subject text, detail text, origin text) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(convert_to('picket audit commitment 1', 'UTF8') || '\x00'::bytea || salt || audit_field(actor) ||
                  audit_field(subject) || audit_field(detail) || audit_field(origin));

CREATE FUNCTION audit_link(previous bytea, chain uuid, seq bigint, at bigint, action text, commitment bytea) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(convert_to('picket audit link 1', 'UTF8') || '\x00'::bytea || previous || uuid_send(chain) ||
                  int8send(seq) || int8send(at) || audit_field(action) || commitment);

-- 244 random bits: what a commitment hides cannot be guessed without it.
CREATE FUNCTION audit_salt() RETURNS bytea LANGUAGE sql VOLATILE
    RETURN sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- The lock under which one chain grows, until the end of the transaction.
CREATE FUNCTION audit_lock(org bigint) RETURNS void LANGUAGE sql VOLATILE
    RETURN pg_advisory_xact_lock(hashtextextended('picket audit ' || coalesce(org::text, 'instance'), 62));

-- Rows that are there are chained in the order in which they were written. The owner of a table with forced row security
-- sees no row of it, so for this it is not forced.
ALTER TABLE audit NO FORCE ROW LEVEL SECURITY;
ALTER TABLE organizations NO FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
    entry record;
    number bigint;
    previous bytea;
    current_org bigint;
    started boolean := false;
    new_salt bytea;
    committed bytea;
BEGIN
    FOR entry IN SELECT a.id, a.org_id, coalesce(o.uuid, '00000000-0000-0000-0000-000000000000') AS chain, a.at, a.actor,
                        a.action, a.subject, a.detail::text AS detail
                 FROM audit a LEFT JOIN organizations o ON o.id = a.org_id ORDER BY a.org_id NULLS FIRST, a.id LOOP
        IF NOT started OR entry.org_id IS DISTINCT FROM current_org THEN
            started := true;
            current_org := entry.org_id;
            number := 0;
            previous := decode(repeat('00', 32), 'hex');
        END IF;
        number := number + 1;
        new_salt := audit_salt();
        committed := audit_commitment(new_salt, entry.actor, entry.subject, entry.detail, NULL);
        previous := audit_link(previous, entry.chain, number, entry.at, entry.action, committed);
        UPDATE audit SET seq = number, salt = new_salt, commitment = committed, link = previous WHERE id = entry.id;
    END LOOP;
END $$;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;

ALTER TABLE audit
    ALTER COLUMN seq SET NOT NULL,
    ALTER COLUMN commitment SET NOT NULL,
    ALTER COLUMN link SET NOT NULL,
    ADD CONSTRAINT audit_chain UNIQUE NULLS NOT DISTINCT (org_id, seq),
    ADD CONSTRAINT audit_hashes CHECK (length(commitment) = 32 AND length(link) = 32 AND length(salt) = 32),
    -- Erased is all of it or nothing.
    ADD CONSTRAINT audit_erased CHECK (num_nulls(salt, actor, subject, detail) = 0
                                       OR num_nonnulls(salt, actor, subject, detail, origin) = 0);

CREATE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    chain uuid := '00000000-0000-0000-0000-000000000000';
    before_seq bigint;
    before_link bytea;
BEGIN
    -- Each statement here sees what was committed before it began: after the lock, the head is the head.
    PERFORM audit_lock(NEW.org_id);
    IF NEW.org_id IS NULL THEN
        SELECT seq, link INTO before_seq, before_link FROM audit WHERE org_id IS NULL ORDER BY seq DESC LIMIT 1;
    ELSE
        chain := (SELECT uuid FROM organizations WHERE id = NEW.org_id);
        SELECT seq, link INTO before_seq, before_link FROM audit WHERE org_id = NEW.org_id ORDER BY seq DESC LIMIT 1;
    END IF;
    NEW.seq := coalesce(before_seq, 0) + 1;
    NEW.salt := audit_salt();
    NEW.commitment := audit_commitment(NEW.salt, NEW.actor, NEW.subject, NEW.detail::text, NEW.origin);
    NEW.link := audit_link(coalesce(before_link, decode(repeat('00', 32), 'hex')), chain, NEW.seq, NEW.at, NEW.action, NEW.commitment);
    RETURN NEW;
END $$;
CREATE TRIGGER append BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_append();

-- Where entries were removed for their age, the chain begins after this. Signed by a key that is not in the database.
CREATE TABLE audit_bases (
    org_id     bigint REFERENCES organizations (id),
    seq        bigint NOT NULL,
    link       bytea NOT NULL CHECK (length(link) = 32),
    removed_at bigint NOT NULL,
    key_id     bigint NOT NULL,
    signature  bytea NOT NULL,
    UNIQUE NULLS NOT DISTINCT (org_id)
);
CALL secure_table('audit_bases', '{picket_auth,picket_worker,picket_backup}');
GRANT SELECT ON audit_bases TO picket_auth, picket_worker;

-- Nobody may delete entries but the owner, whose one function for it follows.
CREATE POLICY owner ON audit TO picket_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON audit_bases TO picket_owner USING (true) WITH CHECK (true);

-- Removes the beginning of a chain, up to `through`, if all of it is older than `cutoff`. Twelve months stay, by the newest
-- entry of all; so does the last entry of every chain.
CREATE FUNCTION audit_remove(org bigint, through bigint, cutoff bigint, now bigint, key bigint, signed bytea) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    year constant bigint := 365 * 86400000000;
    last_link bytea;
    removed bigint;
BEGIN
    PERFORM audit_lock(org);
    IF cutoff > (SELECT max(at) FROM audit) - year THEN
        RAISE EXCEPTION 'audit entries are kept for twelve months at least';
    END IF;
    IF EXISTS (SELECT FROM audit WHERE org_id IS NOT DISTINCT FROM org AND seq <= through AND at >= cutoff) THEN
        RAISE EXCEPTION 'not all audit entries up to % are that old', through;
    END IF;
    IF NOT EXISTS (SELECT FROM audit WHERE org_id IS NOT DISTINCT FROM org AND seq > through) THEN
        RAISE EXCEPTION 'the last audit entry stays';
    END IF;
    last_link := (SELECT link FROM audit WHERE org_id IS NOT DISTINCT FROM org AND seq = through);
    IF last_link IS NULL THEN
        RAISE EXCEPTION 'there is no audit entry %', through;
    END IF;
    INSERT INTO audit_bases (org_id, seq, link, removed_at, key_id, signature) VALUES (org, through, last_link, now, key, signed)
        ON CONFLICT (org_id) DO UPDATE SET seq = excluded.seq, link = excluded.link, removed_at = excluded.removed_at,
            key_id = excluded.key_id, signature = excluded.signature;
    DELETE FROM audit WHERE org_id IS NOT DISTINCT FROM org AND seq <= through;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;
REVOKE ALL ON FUNCTION audit_remove FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_remove TO picket_worker;

COMMENT ON COLUMN audit.id IS 'subject=tenant; purpose=joins rows inside the database; retention=audit; export=no; erase=keep';
COMMENT ON COLUMN audit.org_id IS 'subject=tenant; purpose=says whose row it is; retention=audit; export=no; erase=keep';
COMMENT ON COLUMN audit.at IS 'subject=tenant; purpose=tells when it was done; retention=audit; export=yes; erase=keep';
COMMENT ON COLUMN audit.actor IS 'subject=user; purpose=tells who did it; retention=audit; export=yes; erase=null';
COMMENT ON COLUMN audit.action IS 'subject=tenant; purpose=tells what was done; retention=audit; export=yes; erase=keep';
COMMENT ON COLUMN audit.subject IS 'subject=user; purpose=tells to what it was done; retention=audit; export=yes; erase=null';
COMMENT ON COLUMN audit.detail IS 'subject=user; purpose=tells what changed, without secrets; retention=audit; export=yes; erase=null';
COMMENT ON COLUMN audit.origin IS 'subject=user; purpose=tells from which address it was done; retention=audit; export=yes; erase=null';
COMMENT ON COLUMN audit.seq IS 'subject=tenant; purpose=orders the entries of one chain; retention=audit; export=yes; erase=keep';
COMMENT ON COLUMN audit.salt IS 'subject=user; purpose=hides what the commitment is to, once both are erased; retention=audit; export=yes; erase=null';
COMMENT ON COLUMN audit.commitment IS 'subject=none; purpose=shows that an entry was not changed, also once it is erased; retention=audit; export=yes; erase=keep';
COMMENT ON COLUMN audit.link IS 'subject=none; purpose=shows that no entry before it was changed or is missing; retention=audit; export=yes; erase=keep';

COMMENT ON COLUMN audit_bases.org_id IS 'subject=tenant; purpose=says whose chain it is; retention=account; export=no; erase=keep';
COMMENT ON COLUMN audit_bases.seq IS 'subject=none; purpose=tells up to where entries were removed for their age; retention=account; export=no; erase=keep';
COMMENT ON COLUMN audit_bases.link IS 'subject=none; purpose=is what the first entry that is left follows; retention=account; export=no; erase=keep';
COMMENT ON COLUMN audit_bases.removed_at IS 'subject=none; purpose=tells when they were removed; retention=account; export=no; erase=keep';
COMMENT ON COLUMN audit_bases.key_id IS 'subject=none; purpose=names the key that signed it; retention=account; export=no; erase=keep';
COMMENT ON COLUMN audit_bases.signature IS 'subject=none; purpose=proves that the collector removed them; retention=account; export=no; erase=keep';
