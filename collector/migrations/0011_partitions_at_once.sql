-- Two late batches may need the partition of the same day at the same moment: the second waits and finds it there.
-- A table that is attached takes no lock that readers and writers of the parent wait for, unlike one made as a partition;
-- so transactions that have read the parent before cannot wait for each other.

CREATE OR REPLACE FUNCTION ensure_partition(parent text, day bigint) RETURNS boolean
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
    -- One lock for all tables and days: nobody waits for a second one. It is a table's, for only after waiting for one of
    -- those does the next statement see by name what another transaction made meanwhile.
    LOCK TABLE receipts IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(child) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
    IF parent = 'results' THEN
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', child);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', child);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, child, day * micros, (day + 1) * micros);
    RETURN true;
END $$;
