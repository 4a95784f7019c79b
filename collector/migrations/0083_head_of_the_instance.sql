-- The head of the instance's chain by the index. `org_id IS NULL` alone gives the planner no order, and so all of the chain was read for
-- each entry: the more was written there, the longer it took, and a sign-in with an address that nobody has took longer than one
-- with an address that somebody has, which is written to another chain.
CREATE OR REPLACE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    chain uuid := '00000000-0000-0000-0000-000000000000';
    before_seq bigint;
    before_link bytea;
BEGIN
    -- Each statement here sees what was committed before it began: after the lock, the head is the head.
    PERFORM audit_lock(NEW.org_id);
    IF NEW.org_id IS NULL THEN
        SELECT seq, link INTO before_seq, before_link FROM audit WHERE org_id IS NULL ORDER BY org_id DESC, seq DESC LIMIT 1;
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
