-- What numeric columns hold: how much is missing, and whether they vary at all.
-- grain: position (of the column in the list that was asked for)
-- reads: logged (position, value as a double)
-- parameters: none
-- columns: position, rows, nulls, not_finite, smallest, largest (of the finite values)
SELECT
    position,
    count(*) AS rows,
    count(*) FILTER (WHERE value IS NULL) AS nulls,
    count(*) FILTER (WHERE NOT isfinite(value)) AS not_finite,
    min(value) FILTER (WHERE isfinite(value)) AS smallest,
    max(value) FILTER (WHERE isfinite(value)) AS largest
FROM logged
GROUP BY position
ORDER BY position
