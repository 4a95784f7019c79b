-- A monitor that fails from some regions and is up from elsewhere is no incident: members are told of it where they want that, and not
-- while it is muted.
ALTER TABLE monitors
    ADD COLUMN tells_regional       boolean NOT NULL DEFAULT false,
    ADD COLUMN regional_muted_until bigint;

COMMENT ON COLUMN monitors.tells_regional IS 'subject=tenant; purpose=says whether members are told of failures from some regions; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.regional_muted_until IS 'subject=tenant; purpose=ends the time in which nobody is told of those; retention=account; export=yes; erase=delete';

CALL grant_erasure();
