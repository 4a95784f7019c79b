-- Who keeps to the EU, which channels go elsewhere, and what the settings say of it.
ALTER TABLE instance
    ADD COLUMN eu_only boolean NOT NULL DEFAULT false,
    -- Of each thing that a person vouches for, the hash of what was written down: said once, not at each start.
    ADD COLUMN attested jsonb NOT NULL DEFAULT '{}';
ALTER TABLE organizations ADD COLUMN eu_only boolean NOT NULL DEFAULT false;
ALTER TABLE channels ADD COLUMN abroad text;

-- Settings are sealed, so of those that are there only the kind tells: where one could be of either place it is taken for abroad until it
-- is given its settings anew. The owner of a table with forced row security sees no row of it, so for this one statement it is not forced.
ALTER TABLE channels NO FORCE ROW LEVEL SECURITY;
UPDATE channels SET abroad = CASE kind
        WHEN 'telegram' THEN 'Telegram' WHEN 'twilio' THEN 'Twilio' WHEN 'slack' THEN 'Slack' WHEN 'pagerduty' THEN 'PagerDuty'
        WHEN 'discord' THEN 'Discord' WHEN 'teams' THEN 'Microsoft Teams' WHEN 'pushover' THEN 'Pushover' WHEN 'opsgenie' THEN 'Opsgenie'
        WHEN 'ntfy' THEN 'ntfy.sh' END
    WHERE deleted_at IS NULL AND unset_at IS NULL;
ALTER TABLE channels FORCE ROW LEVEL SECURITY;

GRANT SELECT (abroad) ON channels TO picket_app, picket_reader;
GRANT INSERT (abroad) ON channels TO picket_auth;

COMMENT ON COLUMN instance.eu_only IS 'subject=none; purpose=says that every organization keeps to the EU; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.attested IS 'subject=none; purpose=tells which attestations of the settings the audit log has, by their hashes; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN organizations.eu_only IS 'subject=tenant; purpose=says that it keeps to the EU; retention=instance; export=yes; erase=keep';
COMMENT ON COLUMN channels.abroad IS 'subject=tenant; purpose=names the provider where it is not known to be in the EU; retention=account; export=yes; erase=delete';

CALL grant_erasure();
