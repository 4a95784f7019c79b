-- What is told to people within half a minute of another message goes out as one: which message a delivery is part of. It stays so at every
-- try, so that a receiver who knows the id knows the whole.
ALTER TABLE deliveries
    ADD COLUMN folded_into bigint,
    ADD FOREIGN KEY (org_id, folded_into) REFERENCES deliveries (org_id, id);
CREATE INDEX deliveries_folded ON deliveries (folded_into) WHERE folded_into IS NOT NULL AND state = 'pending';
CREATE INDEX deliveries_lately ON deliveries (ended_at) WHERE state = 'sent';
CREATE INDEX deliveries_by_channel ON deliveries (channel_id, next_at, id) WHERE state = 'pending';
GRANT UPDATE (folded_into) ON deliveries TO picket_app;

-- Notices of one thread reach a channel in their order: those of an incident, of a window of maintenance, of one trouble of a monitor or
-- region. What has none stands for itself.
ALTER TABLE notices ADD COLUMN thread text GENERATED ALWAYS AS (CASE
    -- What raises it names an incident, and what ends it none.
    WHEN kind IN ('flapping', 'flapping_over') THEN 'flapping ' || monitor_id
    WHEN incident_id IS NOT NULL THEN 'incident ' || incident_id
    WHEN occurrence_id IS NOT NULL THEN 'maintenance ' || occurrence_id
    WHEN channel_id IS NOT NULL THEN 'channel ' || channel_id
    WHEN kind IN ('regional', 'regional_over') THEN 'regional ' || monitor_id
    WHEN kind IN ('region_silent', 'region_heard') THEN 'silent ' || org_id || ' ' || (payload #>> '{notice,kind,region}')
    WHEN kind IN ('region_network_bad', 'region_network_good') THEN 'network ' || org_id || ' ' || (payload #>> '{notice,kind,region}')
    END) STORED;
CREATE INDEX notices_thread ON notices (thread) WHERE thread IS NOT NULL;

COMMENT ON COLUMN deliveries.folded_into IS 'subject=tenant; purpose=says with which it goes out as one message; retention=account; export=no; erase=delete';
COMMENT ON COLUMN notices.thread IS 'subject=tenant; purpose=says what follows on what; retention=account; export=no; erase=delete';

-- What the database makes of other columns is not known yet before a row changes, and follows them.
CREATE OR REPLACE FUNCTION mask_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erased text := nullif(current_setting('picket.erasing', true), '');
    word text := current_setting('picket.erasing_word', true);
BEGIN
    -- Names of what was closed are masked as a whole.
    IF erased IS NULL AND TG_ARGV[0] = 'names' THEN
        RETURN NEW;
    END IF;
    IF erased IS NULL OR EXISTS (
        SELECT FROM jsonb_each(to_jsonb(OLD)) o JOIN jsonb_each(to_jsonb(NEW)) n USING (key)
        WHERE n.value <> o.value AND n.value <> without_name(o.value::text, erased, word)::jsonb
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = TG_RELID AND a.attname = n.key AND a.attgenerated <> '')
          AND NOT (TG_TABLE_NAME = 'channels' AND (n.key = 'unset_at' OR (n.key, n.value) IN (
              ('sealed_settings', '"\\x"'), ('hint', '"erased"'), ('verified_at', 'null'), ('verified_by', 'null'), ('unset_why', '"erased"'))))
    ) THEN
        RAISE EXCEPTION 'the eraser takes an address out of a text, and changes nothing else' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CALL grant_erasure();
