-- One feature of one model in a stretch of time: rows, and those in which it is NULL or NaN.
-- grain: one row
-- reads: logged (ts in microseconds UTC, number, word: the feature's value in one of the two)
-- parameters: $start, $stop (microseconds UTC, stop excluded)
-- columns: rows, nulls
SELECT
    count(*) AS rows,
    count(*) FILTER (WHERE word IS NULL AND (number IS NULL OR isnan(number))) AS nulls
FROM logged
WHERE ts >= $start AND ts < $stop
