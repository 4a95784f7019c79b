-- Who erases: a role of its own, which may do to rows what the classes of their columns say, and nothing else. It deletes from
-- tables of a tenant only what is of an organization that was closed.

-- `mask` is a word of the classes from here on: a text that stays, in which the word "erased" takes the place of what was there.
COMMENT ON COLUMN organizations.id IS 'subject=tenant; purpose=joins rows inside the database; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN organizations.uuid IS 'subject=tenant; purpose=names the organization outside, and its chain of the audit log; retention=instance; export=yes; erase=keep';
COMMENT ON COLUMN organizations.name IS 'subject=tenant; purpose=names the organization to people; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN organizations.managed_by IS 'subject=tenant; purpose=says which organization manages it; retention=account; export=yes; erase=null';
COMMENT ON COLUMN organizations.managed_by_consent_at IS 'subject=tenant; purpose=proves that it agreed to be managed; retention=account; export=yes; erase=null';
COMMENT ON COLUMN organizations.created_at IS 'subject=tenant; purpose=tells when it was made; retention=instance; export=yes; erase=keep';
COMMENT ON COLUMN organizations.deleted_at IS 'subject=tenant; purpose=hides it until it is erased, and what is left of it then; retention=instance; export=yes; erase=keep';
COMMENT ON COLUMN organizations.second_factor_since IS 'subject=tenant; purpose=says that members need a second factor; retention=account; export=yes; erase=null';
COMMENT ON COLUMN probes.name IS 'subject=tenant; purpose=names the probe to the operator; retention=instance; export=yes; erase=mask';
COMMENT ON COLUMN managements.consented_by IS 'subject=user; purpose=proves who consented; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN managements.accepted_by IS 'subject=user; purpose=tells who accepted it; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN managements.ended_by IS 'subject=user; purpose=tells who ended it; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN admin_grants.granted_by IS 'subject=user; purpose=tells who gave it; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN admin_grants.revoked_by IS 'subject=user; purpose=tells who ended it; retention=account; export=yes; erase=mask';
COMMENT ON COLUMN manual_checks.asked_by IS 'subject=user; purpose=tells who asked; retention=expiry; export=no; erase=mask';

-- Whether a text names one of these: an address or an id that stands there for itself, and is not part of a longer one.
CREATE FUNCTION names_one_of(value text, names text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN EXISTS (
        SELECT FROM unnest(names) AS n (name)
        WHERE position(name IN lower(value)) > 0
          AND lower(value) ~ ('(^|[^[:alnum:]._%+-])' || regexp_replace(name, '([]*+?.^$(){}|\\[])', '\\\1', 'g')
                              || '($|[^[:alnum:]._%+-]|[.]($|[^[:alnum:]]))'));

-- Gives the eraser what the classes say, table by table. A migration with a new table or another class calls it at its end.
CREATE PROCEDURE grant_erasure() LANGUAGE plpgsql AS $$
DECLARE
    tab record;
    rows text;
BEGIN
    FOR tab IN
        SELECT c.oid::regclass AS name, c.relrowsecurity AS secured,
               bool_or(d.class LIKE '%; erase=delete') AS deletes,
               string_agg(quote_ident(a.attname), ', ') FILTER (WHERE d.class ~ '; erase=(null|mask)$') AS changes,
               -- Rows about a person may be of an organization that stays.
               bool_or(a.attname IN ('user_id', 'invited_by', 'email') OR d.class ~ '^subject=(user|contact);.*; erase=(null|mask)$') AS of_people,
               bool_or(a.attname = 'org_id') AS of_tenant,
               -- A row that stays, and is nobody's then.
               bool_or(a.attname = 'org_id' AND d.class LIKE '%; erase=null') AS let_go
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        CROSS JOIN LATERAL (SELECT coalesce(col_description(c.oid, a.attnum), '') AS class) d
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        GROUP BY c.oid, c.relrowsecurity
        HAVING bool_or(d.class ~ '; erase=(delete|null|mask)$')
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO picket_eraser', tab.name);
        IF tab.deletes THEN
            EXECUTE format('GRANT DELETE ON %s TO picket_eraser', tab.name);
        END IF;
        IF tab.changes IS NOT NULL THEN
            EXECUTE format('GRANT UPDATE (%s) ON %s TO picket_eraser', tab.changes, tab.name);
        END IF;
        IF tab.secured AND tab.name::text NOT IN ('organizations', 'closures') THEN
            rows := CASE WHEN tab.of_people OR NOT tab.of_tenant THEN 'true'
                         ELSE 'org_id IN (SELECT id FROM organizations WHERE deleted_at IS NOT NULL)' END;
            IF tab.let_go THEN
                rows := rows || ' OR org_id IS NULL';
            END IF;
            EXECUTE format('DROP POLICY IF EXISTS picket_eraser ON %s', tab.name);
            EXECUTE format('CREATE POLICY picket_eraser ON %s TO picket_eraser USING (%s) WITH CHECK (true)', tab.name, rows);
        END IF;
    END LOOP;
END $$;

-- What is left of an organization is its row, by whose id its chain of the audit log is known.
CREATE POLICY picket_eraser ON organizations FOR SELECT TO picket_eraser USING (true);
CREATE POLICY picket_eraser_closed ON organizations FOR UPDATE TO picket_eraser USING (deleted_at IS NOT NULL) WITH CHECK (true);
CALL grant_erasure();
-- A private probe has an end with its organization.
GRANT UPDATE (revoked_at) ON probes TO picket_eraser;
-- When a restored copy erases again what was open then, it is closed first.
GRANT UPDATE (deleted_at) ON organizations, users TO picket_eraser;
-- An entry of the audit log stays; it does not say any more who and what, and never says something else.
CREATE FUNCTION audit_erase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF num_nonnulls(NEW.actor, NEW.subject, NEW.detail, NEW.origin, NEW.salt) > 0 THEN
        RAISE EXCEPTION 'an entry of the audit log is erased or left alone, never changed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER erase BEFORE UPDATE ON audit FOR EACH ROW WHEN (current_user = 'picket_eraser') EXECUTE FUNCTION audit_erase();
-- It says what it did, and puts the receipt down.
GRANT INSERT ON audit, account_mails TO picket_eraser;
