-- What text columns hold: how much is missing, and roughly how many values there are.
-- grain: position (of the column in the list that was asked for)
-- reads: logged (position, value as text, n rows that hold it)
-- parameters: none
-- columns: position, rows, nulls, about_distinct, smallest, largest
SELECT
    position,
    CAST(sum(n) AS BIGINT) AS rows,
    CAST(coalesce(sum(n) FILTER (WHERE value IS NULL), 0) AS BIGINT) AS nulls,
    approx_count_distinct(value) AS about_distinct,
    min(value) AS smallest,
    max(value) AS largest
FROM logged
GROUP BY position
ORDER BY position
