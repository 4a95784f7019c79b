-- A membership may end by itself.
ALTER TABLE memberships ADD COLUMN until_at bigint CONSTRAINT memberships_end CHECK (until_at > created_at);
COMMENT ON COLUMN memberships.until_at IS 'subject=user; purpose=ends the membership; retention=account; export=yes; erase=delete';

-- Who may act where at a time, in microseconds since 1970, and as what: sessions and API keys ask this and nothing else.
CREATE FUNCTION live_memberships(now bigint) RETURNS TABLE (org_id bigint, user_id bigint, role text, created_at bigint)
    LANGUAGE sql STABLE AS $$
    SELECT m.org_id, m.user_id, m.role, m.created_at FROM memberships m JOIN organizations o ON o.id = m.org_id
    WHERE o.deleted_at IS NULL AND (m.until_at IS NULL OR m.until_at > now) $$;
