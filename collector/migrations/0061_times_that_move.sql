-- When the clock is set back, what was stamped ahead moves back with it; so does the time at which somebody muted a monitor.
GRANT UPDATE (muted_at) ON monitors TO picket_worker;
