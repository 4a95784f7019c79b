-- Monitors that came from other programs: what names them in every import, what the last import left, and that they tell
-- nobody yet.
ALTER TABLE monitors ADD COLUMN external_key text CHECK (length(external_key) BETWEEN 1 AND 500);
ALTER TABLE monitors ADD COLUMN imported jsonb;
ALTER TABLE monitors ADD COLUMN muted_at bigint;
CREATE UNIQUE INDEX monitors_external_key ON monitors (org_id, external_key) WHERE deleted_at IS NULL;

COMMENT ON COLUMN monitors.external_key IS 'subject=tenant; purpose=names the monitor in imports from another program; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.imported IS 'subject=tenant; purpose=tells an edit by hand from a change at the other program; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.muted_at IS 'subject=tenant; purpose=tells since when it tells nobody; retention=account; export=yes; erase=delete';
