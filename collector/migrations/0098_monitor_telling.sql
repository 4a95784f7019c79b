-- What a message says of a monitor beside what was found: how bad it is when it is down, who looks after it, and where it is said what to do.
-- The severity becomes that of the incidents that the judge opens, and stays theirs when the monitor's is changed.
ALTER TABLE monitors
    ADD COLUMN severity    text NOT NULL DEFAULT 'critical' CHECK (severity IN ('critical', 'error', 'warning')),
    ADD COLUMN owner       text CHECK (length(owner) BETWEEN 1 AND 200),
    ADD COLUMN runbook_url text CHECK (length(runbook_url) BETWEEN 1 AND 2000);

COMMENT ON COLUMN monitors.severity IS 'subject=tenant; purpose=says how bad it is when the monitor is down; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.owner IS 'subject=tenant; purpose=says in messages who looks after what is watched; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.runbook_url IS 'subject=tenant; purpose=says in messages where it is written what to do; retention=account; export=yes; erase=delete';

CALL grant_erasure();
