-- What the provider's answer to each try was, and that a message which was given up was asked for again.
ALTER TABLE delivery_attempts
    ADD COLUMN status     integer CHECK (status BETWEEN 100 AND 999),
    ADD COLUMN request_id text CHECK (length(request_id) BETWEEN 1 AND 100);
ALTER TABLE deliveries ADD COLUMN asked_again_at bigint;
GRANT UPDATE (state, next_at, ended_at, asked_again_at) ON deliveries TO picket_app;
-- Those that were given up are looked for.
CREATE INDEX deliveries_failed ON deliveries (org_id, id) WHERE state = 'failed' OR reported = 'undelivered';

COMMENT ON COLUMN delivery_attempts.status IS 'subject=tenant; purpose=is the code of the answer, of HTTP or SMTP; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN delivery_attempts.request_id IS 'subject=tenant; purpose=is what the provider calls the try, to ask it by; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.asked_again_at IS 'subject=tenant; purpose=tells when somebody asked for it again; retention=account; export=yes; erase=delete';

CALL grant_erasure();
