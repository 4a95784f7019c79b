-- People without an account: where an address stands is found in every table, and it is taken out of what organizations wrote.

-- How an address is known in a text: it stands there for itself, and is not part of a longer one; in JSON an escape may stand before
-- it. Digits of a telephone number may be set apart as people do it.
CREATE FUNCTION name_pattern(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '(^|[^[:alnum:]._%+-]|\\[bfnrt]|\\u[0-9a-f]{4})'
        || CASE WHEN name ~ '^[+][0-9]+$' THEN '[+]' || regexp_replace(substr(name, 2), '([0-9])(?=[0-9])', '\1[-. ()/]*', 'g')
                ELSE regexp_replace(name, '([]*+?.^$(){}|\\[])', '\\\1', 'g') END
        || '(?=$|[^[:alnum:]._%+-]|[.]($|[^[:alnum:]]))';

CREATE OR REPLACE FUNCTION names_one_of(value text, names text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN EXISTS (
        SELECT FROM unnest(names) AS n (name)
        WHERE (name LIKE '+%' OR position(name IN lower(value)) > 0) AND lower(value) ~ name_pattern(name));

-- A text in which a word takes the place of an address.
CREATE FUNCTION without_name(value text, name text, word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(value, name_pattern(name), '\1' || word, 'gi');

-- Of what organizations wrote the eraser changes nothing but that a word takes the place of the address that its transaction erases;
-- and a channel that reaches it is switched off.
CREATE FUNCTION mask_only() RETURNS trigger LANGUAGE plpgsql AS $$
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
          AND NOT (TG_TABLE_NAME = 'channels' AND (n.key = 'unset_at' OR (n.key, n.value) IN (
              ('sealed_settings', '"\\x"'), ('hint', '"erased"'), ('verified_at', 'null'), ('verified_by', 'null'), ('unset_why', '"erased"'))))
    ) THEN
        RAISE EXCEPTION 'the eraser takes an address out of a text, and changes nothing else' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- Gives the eraser what the classes say, table by table. A migration with a new table or another class calls it at its end.
CREATE OR REPLACE PROCEDURE grant_erasure() LANGUAGE plpgsql AS $$
DECLARE
    tab record;
    rows text;
    -- What works by what stands there, or is kept as it was agreed: an address in it stays until its organization changes it.
    stays text[] := '{monitors.target,monitors.spec,monitors.external_key,monitors.imported,states.data,dpas.body,dpas.hash,
        account_mails.template,manual_checks.spec,manual_checks.outcome}';
BEGIN
    FOR tab IN
        SELECT c.oid::regclass AS name, c.relrowsecurity AS secured,
               bool_or(d.class LIKE '%; erase=delete') AS deletes,
               string_agg(quote_ident(a.attname), ', ') FILTER (WHERE d.class ~ '; erase=(null|mask)$') AS changes,
               -- Texts in which somebody may be named.
               string_agg(quote_ident(a.attname), ', ') FILTER (
                   WHERE d.class ~ '^subject=(tenant|contact|user);.*; erase=delete$' AND a.attname <> 'email'
                     AND format_type(a.atttypid, NULL) IN ('text', 'text[]', 'json', 'jsonb')
                     AND c.relname || '.' || a.attname <> ALL (stays)) AS texts,
               bool_or(d.class ~ '^subject=tenant;.*; erase=mask$') AS names_tenant,
               -- Rows about a person may be of an organization that stays.
               bool_or(a.attname IN ('user_id', 'invited_by', 'email') OR d.class ~ '^subject=(user|contact);.*; erase=(null|mask)$') AS of_people,
               bool_or(a.attname = 'org_id') AS of_tenant,
               -- A row that stays, and is nobody's then.
               bool_or(a.attname = 'org_id' AND d.class LIKE '%; erase=null') AS let_go
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        CROSS JOIN LATERAL (SELECT coalesce(col_description(c.oid, a.attnum), '') AS class) d
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname <> '_sqlx_migrations'
        GROUP BY c.oid, c.relrowsecurity
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO picket_eraser', tab.name);
        IF tab.deletes THEN
            EXECUTE format('GRANT DELETE ON %s TO picket_eraser', tab.name);
        END IF;
        IF tab.changes IS NOT NULL THEN
            EXECUTE format('GRANT UPDATE (%s) ON %s TO picket_eraser', tab.changes, tab.name);
        END IF;
        IF tab.texts IS NOT NULL THEN
            EXECUTE format('GRANT UPDATE (%s) ON %s TO picket_eraser', tab.texts, tab.name);
        END IF;
        EXECUTE format('DROP TRIGGER IF EXISTS mask_only ON %s', tab.name);
        IF tab.texts IS NOT NULL OR tab.names_tenant THEN
            EXECUTE format('CREATE TRIGGER mask_only BEFORE UPDATE %s ON %s FOR EACH ROW WHEN (current_user = ''picket_eraser'')
                EXECUTE FUNCTION mask_only(%s)', CASE WHEN tab.name::text <> 'channels' THEN 'OF ' || tab.texts END, tab.name,
                CASE WHEN tab.texts IS NULL THEN 'names' ELSE 'texts' END);
        END IF;
        IF tab.secured AND tab.name::text NOT IN ('organizations', 'closures') AND (tab.deletes OR tab.changes IS NOT NULL) THEN
            rows := CASE WHEN tab.of_people OR NOT tab.of_tenant THEN 'true'
                         ELSE 'org_id IN (SELECT id FROM organizations WHERE deleted_at IS NOT NULL)' END;
            IF tab.let_go THEN
                rows := rows || ' OR org_id IS NULL';
            END IF;
            EXECUTE format('DROP POLICY IF EXISTS picket_eraser ON %s', tab.name);
            EXECUTE format('CREATE POLICY picket_eraser ON %s TO picket_eraser USING (%s) WITH CHECK (true)', tab.name, rows);
        END IF;
        IF tab.secured THEN
            EXECUTE format('DROP POLICY IF EXISTS picket_eraser_finds ON %s', tab.name);
            EXECUTE format('CREATE POLICY picket_eraser_finds ON %s FOR SELECT TO picket_eraser USING (true)', tab.name);
            EXECUTE format('DROP POLICY IF EXISTS picket_eraser_masks ON %s', tab.name);
            EXECUTE format('CREATE POLICY picket_eraser_masks ON %s FOR UPDATE TO picket_eraser
                USING (nullif(current_setting(''picket.erasing'', true), '''') IS NOT NULL) WITH CHECK (true)', tab.name);
        END IF;
    END LOOP;
END $$;

-- A channel without a destination is switched off, and says why to its organization until it has another one.
ALTER TABLE channels
    ADD COLUMN unset_at bigint,
    ADD COLUMN unset_why text CHECK (unset_why IN ('erased', 'imported')),
    ADD CONSTRAINT channels_unset CHECK ((unset_at IS NULL) = (unset_why IS NULL)
        AND (unset_at IS NULL OR (verified_at IS NULL AND sealed_settings = '')));
GRANT SELECT (unset_at, unset_why) ON channels TO picket_app, picket_reader;
GRANT UPDATE (unset_at) ON channels TO picket_worker;
GRANT UPDATE (sealed_settings, verified_at, verified_by, unset_at, unset_why) ON channels TO picket_eraser;
COMMENT ON COLUMN channels.unset_at IS 'subject=tenant; purpose=tells since when it has no destination and tells nobody; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.unset_why IS 'subject=tenant; purpose=tells why it has none; retention=account; export=yes; erase=delete';

-- A receipt names nobody here either.
ALTER TABLE erasures
    DROP CONSTRAINT erasures_kind_check,
    ADD CONSTRAINT erasures_kind_check CHECK (kind IN ('account', 'organization', 'contact'));
GRANT SELECT ON erasures TO picket_eraser;

CALL grant_erasure();
