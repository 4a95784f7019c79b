-- What the operator was told of the instance itself and is not over yet, so that it is told once.
CREATE TABLE operator_alarms (
    name     text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 300),
    first_at bigint NOT NULL,
    told_at  bigint NOT NULL CHECK (told_at >= first_at)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON operator_alarms TO picket_auth;
CREATE INDEX deliveries_given_up ON deliveries (ended_at) WHERE state = 'failed';

COMMENT ON COLUMN operator_alarms.name IS 'subject=none; purpose=says what is not well; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN operator_alarms.first_at IS 'subject=none; purpose=tells since when that was told; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN operator_alarms.told_at IS 'subject=none; purpose=tells when it was told last; retention=instance; export=no; erase=keep';
