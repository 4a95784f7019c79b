-- Regions whose failures are withheld because many unrelated targets turned to failing there at once (90 s at most).
CREATE TABLE region_holds (
    region_id bigint PRIMARY KEY REFERENCES regions (id),
    until_at  bigint NOT NULL,
    failing   integer NOT NULL,
    watched   integer NOT NULL
);
GRANT SELECT ON region_holds TO picket_app, picket_reader;
GRANT SELECT, INSERT, UPDATE ON region_holds TO picket_worker;
