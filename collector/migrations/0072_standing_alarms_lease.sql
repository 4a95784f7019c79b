-- Who tells a standing alarm again holds its channel meanwhile: what ends it must not be overtaken.
ALTER TABLE standing_alarms ADD COLUMN leased_until bigint;
COMMENT ON COLUMN standing_alarms.leased_until IS 'subject=tenant; purpose=says until when it is being told again; retention=expiry; export=no; erase=delete';
