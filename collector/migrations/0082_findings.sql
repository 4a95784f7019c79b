-- What controls found: a row for as long as a control finds the same, so that the rows of one are its history. They are of the
-- instance and of no tenant; detail is for the operator, evidence for everybody.
CREATE TABLE findings (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    control  text NOT NULL CHECK (length(control) BETWEEN 1 AND 60),
    state    text NOT NULL CHECK (state IN ('pass', 'fail', 'not_measured')),
    evidence text NOT NULL,
    detail   text,
    first_at bigint NOT NULL,
    last_at  bigint NOT NULL,
    CHECK (last_at >= first_at)
);
CREATE INDEX findings_of_a_control ON findings (control, id DESC);

GRANT SELECT, INSERT, DELETE ON findings TO picket_worker;
GRANT UPDATE (evidence, detail, first_at, last_at) ON findings TO picket_worker;
GRANT SELECT ON findings TO picket_auth;

COMMENT ON COLUMN findings.id IS 'subject=none; purpose=joins rows inside the database; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN findings.control IS 'subject=none; purpose=says which control looked; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN findings.state IS 'subject=none; purpose=says whether a promise is kept; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN findings.evidence IS 'subject=none; purpose=shows by what that is known; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN findings.detail IS 'subject=none; purpose=tells the operator where to look; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN findings.first_at IS 'subject=none; purpose=tells since when it is so; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN findings.last_at IS 'subject=none; purpose=tells when it was looked at; retention=instance; export=no; erase=keep';
