-- Daily partitions of results and receipts, made ahead and dropped when expired by ops::retention.
-- Row security does not pass from a partitioned table to a query on its partition, so each partition gets its own;
-- no role but the owner has any grant on one.

CREATE FUNCTION ensure_partition(parent text, day bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    child text := format('%s_%s', parent, to_char(timestamp 'epoch' + day * interval '1 day', 'YYYYMMDD'));
    micros constant bigint := 86400000000;
BEGIN
    IF parent NOT IN ('results', 'receipts') THEN
        RAISE EXCEPTION 'no partitions are made for table %', parent;
    END IF;
    IF to_regclass(child) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)', child, parent, day * micros, (day + 1) * micros);
    IF parent = 'results' THEN
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', child);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', child);
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION ensure_partition(text, bigint) IS 'Makes the partition of one UTC day (days since 1970) unless it is there; says whether it did';

CREATE FUNCTION drop_partition(parent text, day bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    child text := format('%s_%s', parent, to_char(timestamp 'epoch' + day * interval '1 day', 'YYYYMMDD'));
BEGIN
    IF parent NOT IN ('results', 'receipts') THEN
        RAISE EXCEPTION 'no partitions are dropped of table %', parent;
    END IF;
    IF to_regclass(child) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', child);
    RETURN true;
END $$;
COMMENT ON FUNCTION drop_partition(text, bigint) IS 'Drops the partition of one UTC day (days since 1970); says whether there was one';

REVOKE ALL ON FUNCTION ensure_partition(text, bigint), drop_partition(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partition(text, bigint), drop_partition(text, bigint) TO picket_worker;
GRANT EXECUTE ON FUNCTION ensure_partition(text, bigint) TO picket_intake;
