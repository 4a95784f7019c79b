-- What is told to people within half a minute of another message goes out as one: which message a delivery is part of. It stays so at every
-- try, so that a receiver who knows the id knows the whole.
ALTER TABLE deliveries
    ADD COLUMN folded_into bigint,
    ADD FOREIGN KEY (org_id, folded_into) REFERENCES deliveries (org_id, id);
CREATE INDEX deliveries_folded ON deliveries (folded_into) WHERE folded_into IS NOT NULL;
CREATE INDEX deliveries_lately ON deliveries (ended_at) WHERE state = 'sent';
GRANT UPDATE (folded_into) ON deliveries TO picket_app;

COMMENT ON COLUMN deliveries.folded_into IS 'subject=tenant; purpose=says with which it goes out as one message; retention=account; export=no; erase=delete';

CALL grant_erasure();
