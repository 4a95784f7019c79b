-- Keys by which a webhook signs since it was given others than that of its settings; the former one signs too for a time.
ALTER TABLE channels
    ADD COLUMN sealed_key        bytea,
    ADD COLUMN sealed_former_key bytea,
    ADD COLUMN former_key_until  bigint,
    ADD CONSTRAINT channels_former_key CHECK (sealed_key IS NOT NULL OR (sealed_former_key IS NULL AND former_key_until IS NULL));
GRANT SELECT (sealed_key, sealed_former_key, former_key_until) ON channels TO picket_app;
GRANT UPDATE (sealed_key, sealed_former_key, former_key_until) ON channels TO picket_worker;
GRANT UPDATE (sealed_hook, sealed_key, sealed_former_key, former_key_until) ON channels TO picket_eraser;

COMMENT ON COLUMN channels.sealed_key IS 'subject=tenant; purpose=is what messages are signed by since the key was rotated (sealed); retention=account; export=no; erase=delete';
COMMENT ON COLUMN channels.sealed_former_key IS 'subject=tenant; purpose=is what they were signed by before, where that was not the key of the settings (sealed); retention=account; export=no; erase=delete';
COMMENT ON COLUMN channels.former_key_until IS 'subject=tenant; purpose=tells until when they are signed by the former key too; retention=account; export=yes; erase=delete';

CALL grant_erasure();
