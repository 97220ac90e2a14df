-- The tables of one day's scan, as a competent engineer would write them for DuckDB 2 alone.
-- Variables: champion, challenger (lists of files). Table `feature_cells` (feature, code, cell)
-- and the statements per feature come from duckdb_script.py. Sums are floating; a bucket is
-- DuckDB's own hash; rows of neighbouring days are not looked at. Each makes it faster.

-- A value's bfloat16 truncation, in an order-preserving numbering.
CREATE OR REPLACE MACRO raw_bin(x) AS (x + 0::FLOAT)::FLOAT::BIT::INTEGER >> 16;
CREATE OR REPLACE MACRO code_of(raw) AS CASE WHEN raw >= 0 THEN raw ELSE -(raw + 32768) - 1 END;
CREATE OR REPLACE MACRO folded(p) AS CASE WHEN p > 0.5::FLOAT THEN -(1::FLOAT - p) ELSE p END;
CREATE OR REPLACE MACRO code_of_side(raw) AS
    CASE WHEN raw >= 0 THEN raw ELSE 32256 - (raw + 32768) END;

CREATE OR REPLACE TEMP TABLE champion AS
SELECT request_id, epoch_us(ts) AS us, score, latency_ms, error,
       country, device, channel, plan, (hash(unit_id) >> 56)::UTINYINT AS bucket
FROM read_parquet(getvariable('champion'));

CREATE OR REPLACE TEMP TABLE challenger AS
SELECT request_id, epoch_us(ts) AS us, score, latency_ms, error
FROM read_parquet(getvariable('challenger'));

-- Of rows with one id the earliest pairs, then the smallest score.
CREATE OR REPLACE TEMP TABLE champion_again AS
WITH twice AS (SELECT request_id FROM champion GROUP BY request_id HAVING count(*) > 1)
SELECT c.rowid AS row FROM champion c JOIN twice USING (request_id)
QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY us, score) > 1;

CREATE OR REPLACE TEMP TABLE challenger_again AS
WITH twice AS (SELECT request_id FROM challenger GROUP BY request_id HAVING count(*) > 1)
SELECT c.rowid AS row FROM challenger c JOIN twice USING (request_id)
QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY us, score) > 1;

CREATE OR REPLACE TEMP TABLE paired AS
SELECT coalesce(c.request_id, h.request_id) AS request_id,
       c.us AS us, c.us // 3600000000 AS hour, c.us // 60000000 AS minute,
       c.score AS score, c.latency_ms AS latency_ms, c.error AS error,
       h.us AS h_us, h.us // 3600000000 AS h_hour, h.us // 60000000 AS h_minute,
       h.score AS h_score, h.latency_ms AS h_latency_ms, h.error AS h_error,
       c.country, c.device, c.channel, c.plan, c.bucket,
       h.score::DOUBLE - c.score AS difference,
       (c.score >= 0.5)::TINYINT AS decision, (h.score >= 0.5)::TINYINT AS h_decision
FROM (SELECT * FROM champion WHERE rowid NOT IN (SELECT row FROM champion_again)) c
FULL JOIN (SELECT * FROM challenger WHERE rowid NOT IN (SELECT row FROM challenger_again)) h
USING (request_id);

CREATE OR REPLACE TEMP TABLE champion_rows AS
SELECT hour, minute, us, score, latency_ms, error, country, device, channel, plan, bucket,
       h_us IS NULL AS unmatched
FROM paired WHERE us IS NOT NULL
UNION ALL
SELECT us // 3600000000, us // 60000000, us, score, latency_ms, error,
       country, device, channel, plan, bucket, FALSE
FROM champion WHERE rowid IN (SELECT row FROM champion_again);

CREATE OR REPLACE TEMP TABLE challenger_rows AS
SELECT h_hour AS hour, h_minute AS minute, h_us AS us, h_score AS score,
       h_latency_ms AS latency_ms, h_error AS error, country, device, channel, plan, bucket,
       us IS NULL AS unmatched
FROM paired WHERE h_us IS NOT NULL
UNION ALL
SELECT us // 3600000000, us // 60000000, us, score, latency_ms, error,
       NULL, NULL, NULL, NULL, 0, FALSE
FROM challenger WHERE rowid IN (SELECT row FROM challenger_again);

CREATE OR REPLACE TEMP TABLE pair_rows AS
SELECT hour, minute, us, h_us, difference, decision, h_decision, country, device, channel, plan,
       bucket
FROM paired WHERE us IS NOT NULL AND h_us IS NOT NULL;

CREATE OR REPLACE TEMP TABLE coverage AS
WITH sides AS (
    SELECT hour, 1 AS champion, 0 AS challenger, unmatched, 0 AS lag FROM champion_rows
    UNION ALL
    SELECT hour, 0, 1, unmatched, 0 FROM challenger_rows
    UNION ALL
    SELECT hour, 0, 0, FALSE, h_us - us FROM pair_rows
)
SELECT hour, sum(champion)::BIGINT AS champion_rows, sum(challenger)::BIGINT AS challenger_rows,
       count_if(champion + challenger = 0) AS matched,
       count_if(unmatched AND champion = 1) AS only_champion,
       count_if(unmatched AND challenger = 1) AS only_challenger,
       sum(lag)::BIGINT AS lag_us
FROM sides GROUP BY hour;

CREATE OR REPLACE TEMP TABLE rejects AS
SELECT hour, 'champion' AS model, count(*) FILTER (WHERE NOT score BETWEEN 0 AND 1) AS score_bad,
       count(*) FILTER (WHERE NOT latency_ms >= 0) AS latency_bad
FROM champion_rows GROUP BY hour
UNION ALL
SELECT hour, 'challenger', count(*) FILTER (WHERE NOT score BETWEEN 0 AND 1),
       count(*) FILTER (WHERE NOT latency_ms >= 0)
FROM challenger_rows GROUP BY hour;

-- What is summed of one model's rows, per minute and per leaf cell.
CREATE OR REPLACE TEMP TABLE minutes AS
SELECT minute, 'champion' AS model, count(*) AS n, count_if(error) AS errors,
       count(*) - count(score) AS nulls, count(latency_ms) AS latency_n,
       count_if(latency_ms >= 50) AS over_50ms, count_if(latency_ms >= 200) AS over_200ms,
       count_if(unmatched) AS unmatched, sum(score::DOUBLE) AS score_sum,
       sum(score::DOUBLE * score) AS score_squares
FROM champion_rows GROUP BY minute
UNION ALL
SELECT minute, 'challenger', count(*), count_if(error),
       count(*) - count(score), count(latency_ms),
       count_if(latency_ms >= 50), count_if(latency_ms >= 200),
       count_if(unmatched), sum(score::DOUBLE), sum(score::DOUBLE * score)
FROM challenger_rows GROUP BY minute;

CREATE OR REPLACE TEMP TABLE pair_minutes AS
SELECT minute, count(*) AS n, count(*) - count(difference) AS nulls,
       count(decision + h_decision) AS decided, count_if(decision <> h_decision) AS flips,
       sum(difference) AS difference_sum, sum(difference * difference) AS difference_squares,
       sum(abs(difference)) AS difference_absolute
FROM pair_rows GROUP BY minute;

CREATE OR REPLACE TEMP TABLE minute_latency AS
SELECT minute, 'champion' AS model, (raw_bin(latency_ms) >> 3) * 8 AS code, count(*) AS n
FROM champion_rows WHERE latency_ms IS NOT NULL GROUP BY minute, (raw_bin(latency_ms) >> 3) * 8
UNION ALL
SELECT minute, 'challenger', (raw_bin(latency_ms) >> 3) * 8, count(*)
FROM challenger_rows WHERE latency_ms IS NOT NULL GROUP BY minute, (raw_bin(latency_ms) >> 3) * 8;

CREATE OR REPLACE TEMP TABLE fine_hours AS
WITH counted AS (
    SELECT hour, 'champion' AS model, 'score' AS name, raw_bin(folded(score)) AS raw,
           count(*) AS n
    FROM champion_rows WHERE score IS NOT NULL GROUP BY hour, raw_bin(folded(score))
    UNION ALL
    SELECT hour, 'challenger', 'score', raw_bin(folded(score)), count(*)
    FROM challenger_rows WHERE score IS NOT NULL GROUP BY hour, raw_bin(folded(score))
    UNION ALL
    SELECT hour, 'champion', 'latency_ms', raw_bin(latency_ms), count(*)
    FROM champion_rows WHERE latency_ms IS NOT NULL GROUP BY hour, raw_bin(latency_ms)
    UNION ALL
    SELECT hour, 'challenger', 'latency_ms', raw_bin(latency_ms), count(*)
    FROM challenger_rows WHERE latency_ms IS NOT NULL GROUP BY hour, raw_bin(latency_ms)
)
SELECT hour, model, name,
       CASE WHEN name = 'score' THEN code_of_side(raw) ELSE code_of(raw) END AS code, n
FROM counted;

-- Segment cells: one pass to leaf cells, margins of the leaves.
CREATE OR REPLACE TEMP TABLE leaves AS
SELECT hour, 'champion' AS model, country, device, channel, plan,
       count(*) AS n, count_if(error) AS errors,
       count(*) - count(score) AS nulls, count(latency_ms) AS latency_n,
       count_if(latency_ms >= 50) AS over_50ms, count_if(latency_ms >= 200) AS over_200ms,
       count_if(unmatched) AS unmatched, sum(score::DOUBLE) AS score_sum,
       sum(score::DOUBLE * score) AS score_squares
FROM champion_rows GROUP BY hour, country, device, channel, plan
UNION ALL
SELECT hour, 'challenger', country, device, channel, plan,
       count(*), count_if(error), count(*) - count(score), count(latency_ms),
       count_if(latency_ms >= 50), count_if(latency_ms >= 200),
       count_if(unmatched), sum(score::DOUBLE), sum(score::DOUBLE * score)
FROM challenger_rows GROUP BY hour, country, device, channel, plan;

CREATE OR REPLACE TEMP TABLE pair_leaves AS
SELECT hour, country, device, channel, plan, count(*) AS n,
       count(*) - count(difference) AS nulls, count(decision + h_decision) AS decided,
       count_if(decision <> h_decision) AS flips, sum(difference) AS difference_sum,
       sum(difference * difference) AS difference_squares,
       sum(abs(difference)) AS difference_absolute
FROM pair_rows GROUP BY hour, country, device, channel, plan;

CREATE OR REPLACE TEMP TABLE cells AS
SELECT hour, model, country, device, channel, plan,
       grouping(country, device, channel, plan) AS margin, sum(n) AS n, sum(errors) AS errors,
       sum(nulls) AS nulls, sum(latency_n) AS latency_n, sum(over_50ms) AS over_50ms,
       sum(over_200ms) AS over_200ms, sum(unmatched) AS unmatched, sum(score_sum) AS score_sum,
       sum(score_squares) AS score_squares
FROM leaves
GROUP BY GROUPING SETS (
    (hour, model), (hour, model, country), (hour, model, device), (hour, model, channel),
    (hour, model, plan), (hour, model, country, device), (hour, model, country, channel),
    (hour, model, country, plan), (hour, model, device, channel), (hour, model, device, plan),
    (hour, model, channel, plan)
);

CREATE OR REPLACE TEMP TABLE pair_cells AS
SELECT hour, country, device, channel, plan,
       grouping(country, device, channel, plan) AS margin, sum(n) AS n, sum(nulls) AS nulls,
       sum(decided) AS decided, sum(flips) AS flips, sum(difference_sum) AS difference_sum,
       sum(difference_squares) AS difference_squares,
       sum(difference_absolute) AS difference_absolute
FROM pair_leaves
GROUP BY GROUPING SETS (
    (hour), (hour, country), (hour, device), (hour, channel), (hour, plan),
    (hour, country, device), (hour, country, channel), (hour, country, plan),
    (hour, device, channel), (hour, device, plan), (hour, channel, plan)
);

-- Buckets of users: the same sums per one-way segment, from two half-leaves.
CREATE OR REPLACE TEMP TABLE cell_buckets AS
WITH halves AS (
    SELECT 'champion' AS model, bucket, country, device, NULL AS channel, NULL AS plan,
           count(*) AS n, count_if(error) AS errors,
           count(*) - count(score) AS nulls, count(latency_ms) AS latency_n,
           count_if(latency_ms >= 50) AS over_50ms, count_if(latency_ms >= 200) AS over_200ms,
           count_if(unmatched) AS unmatched, sum(score::DOUBLE) AS score_sum
    FROM champion_rows GROUP BY bucket, country, device
    UNION ALL
    SELECT 'champion', bucket, NULL, NULL, channel, plan,
           count(*), count_if(error), count(*) - count(score), count(latency_ms),
           count_if(latency_ms >= 50), count_if(latency_ms >= 200),
           count_if(unmatched), sum(score::DOUBLE)
    FROM champion_rows GROUP BY bucket, channel, plan
    UNION ALL
    SELECT 'challenger', bucket, country, device, NULL, NULL,
           count(*), count_if(error), count(*) - count(score), count(latency_ms),
           count_if(latency_ms >= 50), count_if(latency_ms >= 200),
           count_if(unmatched), sum(score::DOUBLE)
    FROM challenger_rows GROUP BY bucket, country, device
    UNION ALL
    SELECT 'challenger', bucket, NULL, NULL, channel, plan,
           count(*), count_if(error), count(*) - count(score), count(latency_ms),
           count_if(latency_ms >= 50), count_if(latency_ms >= 200),
           count_if(unmatched), sum(score::DOUBLE)
    FROM challenger_rows GROUP BY bucket, channel, plan
)
SELECT model, bucket, country, device, channel, plan, sum(n) AS n, sum(errors) AS errors,
       sum(nulls) AS nulls, sum(latency_n) AS latency_n, sum(over_50ms) AS over_50ms,
       sum(over_200ms) AS over_200ms, sum(unmatched) AS unmatched, sum(score_sum) AS score_sum
FROM halves
GROUP BY GROUPING SETS (
    (model, bucket, country), (model, bucket, device), (model, bucket, channel),
    (model, bucket, plan)
);

CREATE OR REPLACE TEMP TABLE pair_buckets AS
WITH halves AS (
    SELECT bucket, country, device, NULL AS channel, NULL AS plan, count(*) AS n,
           count(*) - count(difference) AS nulls, count(decision + h_decision) AS decided,
           count_if(decision <> h_decision) AS flips, sum(difference) AS difference_sum,
           sum(abs(difference)) AS difference_absolute
    FROM pair_rows GROUP BY bucket, country, device
    UNION ALL
    SELECT bucket, NULL, NULL, channel, plan, count(*),
           count(*) - count(difference), count(decision + h_decision),
           count_if(decision <> h_decision), sum(difference), sum(abs(difference))
    FROM pair_rows GROUP BY bucket, channel, plan
)
SELECT bucket, country, device, channel, plan, sum(n) AS n, sum(nulls) AS nulls,
       sum(decided) AS decided, sum(flips) AS flips, sum(difference_sum) AS difference_sum,
       sum(difference_absolute) AS difference_absolute
FROM halves
GROUP BY GROUPING SETS ((bucket, country), (bucket, device), (bucket, channel), (bucket, plan));

CREATE OR REPLACE TEMP TABLE differences AS
SELECT hour, (code_of(raw_bin(difference::FLOAT)) >> 3) * 8 AS code, count(*) AS n
FROM pair_rows WHERE difference IS NOT NULL
GROUP BY hour, (code_of(raw_bin(difference::FLOAT)) >> 3) * 8;

CREATE OR REPLACE TEMP TABLE worst AS
SELECT us, request_id, score, h_score, abs(difference) AS distance
FROM paired WHERE difference IS NOT NULL
ORDER BY abs(difference) DESC, us, request_id LIMIT 50;

CREATE OR REPLACE TEMP TABLE fine (hour BIGINT, name VARCHAR, raw INTEGER, n BIGINT);
CREATE OR REPLACE TEMP TABLE "values" (hour BIGINT, name VARCHAR, value VARCHAR, n BIGINT);
