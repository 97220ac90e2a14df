-- Whether the two logs belong together: requests in both, and the time between their rows.
-- grain: one row
-- reads: champion (request_id, ts), challenger (request_id, ts), ts in microseconds UTC
-- parameters: $slack (microseconds within which rows are paired)
-- columns: champion_ids, challenger_ids, matched, median_lag (challenger - champion, microseconds), beyond_slack
WITH ours AS (
    SELECT request_id, min(ts) AS ts
    FROM champion
    WHERE request_id IS NOT NULL
    GROUP BY request_id
),

theirs AS (
    SELECT request_id, min(ts) AS ts
    FROM challenger
    WHERE request_id IS NOT NULL
    GROUP BY request_id
)

SELECT
    count(ours.request_id) AS champion_ids,
    count(theirs.request_id) AS challenger_ids,
    count(*) FILTER (WHERE ours.request_id = theirs.request_id) AS matched,
    CAST(quantile_disc(theirs.ts - ours.ts, 0.5) AS BIGINT) AS median_lag,
    count(*) FILTER (WHERE abs(theirs.ts - ours.ts) > $slack) AS beyond_slack
FROM ours
FULL JOIN theirs ON ours.request_id = theirs.request_id
