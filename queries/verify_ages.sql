-- How old the features of one model's rows were: how many rows, and how many used features that were fresh.
-- grain: one row
-- reads: logged (ts and feature_ts in microseconds UTC)
-- parameters: $start, $stop (microseconds UTC, stop excluded), $most (microseconds)
-- columns: requests, fresh
SELECT
    count(*) AS requests,
    count(*) FILTER (WHERE ts - feature_ts >= 0 AND ts - feature_ts <= $most) AS fresh
FROM logged
WHERE ts >= $start AND ts < $stop
