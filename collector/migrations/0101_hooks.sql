-- What providers say back: by what they sign it, and what they said of a message that they had taken.
ALTER TABLE channels ADD COLUMN sealed_hook bytea;
GRANT SELECT (sealed_hook) ON channels TO picket_app;
GRANT INSERT (sealed_hook) ON channels TO picket_auth;
GRANT UPDATE (sealed_hook) ON channels TO picket_worker;

ALTER TABLE deliveries
    ADD COLUMN reported     text CHECK (reported IN ('delivered', 'undelivered')),
    ADD COLUMN reported_at  bigint,
    ADD COLUMN reported_why text CHECK (length(reported_why) <= 200),
    ADD CONSTRAINT deliveries_reported_at_a_time CHECK ((reported IS NULL) = (reported_at IS NULL));
GRANT UPDATE (reported, reported_at, reported_why) ON deliveries TO picket_app;

COMMENT ON COLUMN channels.sealed_hook IS 'subject=tenant; purpose=is what the provider signs by when it says something back (sealed); retention=account; export=no; erase=delete';
COMMENT ON COLUMN deliveries.reported IS 'subject=tenant; purpose=says whether the provider could deliver what it had taken; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.reported_at IS 'subject=tenant; purpose=tells when it said so; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.reported_why IS 'subject=tenant; purpose=says why not; retention=account; export=yes; erase=delete';

CALL grant_erasure();
