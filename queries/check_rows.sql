-- Rows of a log by file and UTC day, and how many of them hold values that cannot be used.
-- grain: file, day (days since 1970, UTC)
-- reads: logged (file, ts in microseconds UTC, request_id, score, latency_ms, stray)
-- parameters: $low, $high (ends of the scores that can be), $slow (a latency limit, ms)
-- columns: file, day, rows, first, last, null_ids, nan_scores, infinite_scores, stray_scores, bad_latencies, slow, stray
SELECT
    file,
    ts // 86400000000 AS day,
    count(*) AS rows,
    min(ts) AS first,
    max(ts) AS last,
    count(*) FILTER (WHERE request_id IS NULL) AS null_ids,
    count(*) FILTER (WHERE isnan(score)) AS nan_scores,
    count(*) FILTER (WHERE isinf(score)) AS infinite_scores,
    count(*) FILTER (WHERE isfinite(score) AND (score < $low OR score > $high)) AS stray_scores,
    count(*) FILTER (WHERE latency_ms < 0 OR NOT isfinite(latency_ms)) AS bad_latencies,
    count(*) FILTER (WHERE isfinite(latency_ms) AND latency_ms >= $slow) AS slow,
    count(*) FILTER (WHERE stray) AS stray
FROM logged
GROUP BY file, ts // 86400000000
ORDER BY file, day
