-- Memberships that end: told before, removed after; and invitations into one.

ALTER TABLE memberships
    -- When its end was told in advance; nothing again until the end is another.
    ADD COLUMN end_told_at bigint;
CREATE INDEX memberships_end ON memberships (until_at) WHERE until_at IS NOT NULL;

ALTER TABLE invitations
    -- When the membership ends that it leads to.
    ADD COLUMN member_until_at bigint CONSTRAINT invitations_member_end CHECK (member_until_at > created_at);

COMMENT ON COLUMN memberships.end_told_at IS 'subject=user; purpose=tells the end in advance once; retention=account; export=no; erase=delete';
COMMENT ON COLUMN invitations.member_until_at IS 'subject=contact; purpose=says when the membership ends; retention=expiry; export=yes; erase=delete';
