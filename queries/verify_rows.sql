-- One model's rows of a stretch of time: how many, how many failed, were slow or hold what cannot be used.
-- grain: one row
-- reads: logged (ts and file_first in microseconds UTC, request_id, score, latency_ms, status, message, stray)
-- parameters: $start, $stop (microseconds UTC, stop excluded), $least, $most (ends of the usable scores), $limit_ms, $largest_ms (beyond it a latency is impossible)
-- columns: requests, errors, with_latency, over_limit, scored, rejected
WITH chosen AS (
    SELECT
        ts,
        request_id,
        score,
        latency_ms,
        stray,
        coalesce(latency_ms >= 0 AND latency_ms <= $largest_ms, FALSE) AS has_latency,
        coalesce(
            NOT isnan(status) AND ((status <> 0 AND status < 100) OR status >= 500), FALSE
        ) OR coalesce(
            NOT regexp_matches(
                lower(trim(message)), '^(|false|0|none|null|ok|[1-4][0-9][0-9])$'
            ),
            FALSE
        ) AS failed
    FROM logged
    WHERE
        (ts >= $start AND ts < $stop)
        -- a row without a time counts where its file begins
        OR (ts IS NULL AND file_first >= $start AND file_first < $stop)
)

SELECT
    count(ts) AS requests,
    count(*) FILTER (WHERE ts IS NOT NULL AND failed) AS errors,
    count(*) FILTER (WHERE ts IS NOT NULL AND has_latency) AS with_latency,
    count(*) FILTER (
        WHERE ts IS NOT NULL AND has_latency AND latency_ms >= $limit_ms
    ) AS over_limit,
    count(*) FILTER (WHERE ts IS NOT NULL AND score >= $least AND score <= $most) AS scored,
    count(*) FILTER (WHERE ts IS NULL)
    + count(*) FILTER (WHERE ts IS NOT NULL AND NOT (score >= $least AND score <= $most))
    + count(*) FILTER (WHERE ts IS NOT NULL AND request_id IS NULL)
    + count(*) FILTER (WHERE ts IS NOT NULL AND latency_ms IS NOT NULL AND NOT has_latency)
    + count(*) FILTER (WHERE ts IS NOT NULL AND stray) AS rejected
FROM chosen
