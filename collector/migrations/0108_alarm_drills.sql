-- Alarm drills: incidents that tell of nothing, so that it is known whether and how soon people are reached.
ALTER TABLE incidents
    ADD COLUMN drill text CHECK (drill IN ('asked', 'weekly')),
    ADD CONSTRAINT incidents_drill CHECK (drill IS NULL OR origin = 'person');
CREATE INDEX incidents_drills ON incidents (org_id, started_at) WHERE drill IS NOT NULL;
GRANT UPDATE (drill) ON incidents TO picket_app;
ALTER TABLE organizations ADD COLUMN drills_weekly boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN incidents.drill IS 'subject=tenant; purpose=says that it is a drill, and who began it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organizations.drills_weekly IS 'subject=tenant; purpose=says whether alarms are drilled each week; retention=account; export=yes; erase=delete';

CALL grant_erasure();
