-- A monitor that fails from some regions and is up from elsewhere is no incident: members are told of it where they want that, and not
-- while it is muted.
ALTER TABLE monitors
    ADD COLUMN tells_regional       boolean NOT NULL DEFAULT false,
    ADD COLUMN regional_muted_until bigint;

COMMENT ON COLUMN monitors.tells_regional IS 'subject=tenant; purpose=says whether members are told of failures from some regions; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.regional_muted_until IS 'subject=tenant; purpose=ends the time in which nobody is told of those; retention=account; export=yes; erase=delete';

-- From where a monitor fails alone by its state, and since when: the start of the first of the checks that fail there.
CREATE FUNCTION failing_from(monitor bigint, state jsonb) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT coalesce(json_agg(json_build_object('region', x.code, 'since', s.since) ORDER BY x.code), '[]')
    FROM jsonb_array_elements_text(CASE jsonb_typeof(state #> '{overlays,regional}') WHEN 'array' THEN state #> '{overlays,regional}' ELSE '[]' END) x (code)
    LEFT JOIN regions r ON r.code = x.code
    LEFT JOIN region_states s ON s.monitor_id = monitor AND s.region_id = r.id AND s.status = 'down'
$$;

CALL grant_erasure();
