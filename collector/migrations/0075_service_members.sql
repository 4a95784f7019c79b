-- Service members: members that nobody signs in as, owned by an organization. Their keys stay when people go.

ALTER TABLE users
    ADD COLUMN service_org_id bigint REFERENCES organizations (id),
    ADD COLUMN service_name   text CHECK (length(service_name) BETWEEN 1 AND 100),
    ALTER COLUMN email DROP NOT NULL,
    ALTER COLUMN password_hash DROP NOT NULL,
    -- A person has an address and a password; a service member has a name, and nothing by which to come in.
    ADD CONSTRAINT users_person_or_service CHECK (CASE WHEN service_org_id IS NULL
        THEN service_name IS NULL AND email IS NOT NULL AND password_hash IS NOT NULL
        ELSE service_name IS NOT NULL AND email IS NULL AND password_hash IS NULL AND signed_in_at IS NULL END);
CREATE UNIQUE INDEX users_service_name ON users (service_org_id, service_name)
    WHERE deleted_at IS NULL AND service_org_id IS NOT NULL;

COMMENT ON COLUMN users.service_org_id IS 'subject=tenant; purpose=says whose service member it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN users.service_name IS 'subject=tenant; purpose=names a service member to people; retention=account; export=yes; erase=delete';

-- Whatever lets somebody in, or is sent to somebody, is for people. Whoever writes it.
CREATE FUNCTION people_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM users WHERE id = NEW.user_id AND service_org_id IS NOT NULL) THEN
        RAISE EXCEPTION 'user % is a service member, which nobody signs in as: % is for people', NEW.user_id, TG_TABLE_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = 'people_only';
    END IF;
    RETURN NEW;
END $$;
DO $$
DECLARE
    tab text;
BEGIN
    FOREACH tab IN ARRAY ARRAY['sessions', 'devices', 'half_sign_ins', 'totp_secrets', 'recovery_codes', 'account_links',
                               'address_changes', 'account_mails', 'passkeys', 'passkey_challenges', 'admin_grants'] LOOP
        EXECUTE format('CREATE TRIGGER people_only BEFORE INSERT OR UPDATE OF user_id ON %I FOR EACH ROW EXECUTE FUNCTION people_only()', tab);
    END LOOP;
END $$;

-- A service member belongs to its organization alone, and does not own it.
CREATE FUNCTION service_stays_home() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM users WHERE id = NEW.user_id AND service_org_id IS NOT NULL
               AND (service_org_id <> NEW.org_id OR NEW.role = 'owner')) THEN
        RAISE EXCEPTION 'a service member belongs to its own organization, and is an administrator at most'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'service_stays_home';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER service_stays_home BEFORE INSERT OR UPDATE OF org_id, user_id, role ON memberships
    FOR EACH ROW EXECUTE FUNCTION service_stays_home();

-- Keys of who goes may be taken over by a service member.
GRANT UPDATE (user_id) ON api_keys TO picket_auth;
