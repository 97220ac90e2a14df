-- Request ids that one model logged more than once in a slot, by the files that hold them.
-- grain: first_file, last_file (the same where a file repeats itself)
-- reads: logged (file, ts in microseconds UTC, request_id)
-- parameters: $slot (its length in microseconds)
-- columns: first_file, last_file, ids (that occur more than once), extra_rows (beyond the first)
WITH repeated AS (
    SELECT
        min(file) AS first_file,
        max(file) AS last_file,
        count(*) AS n
    FROM logged
    WHERE request_id IS NOT NULL
    GROUP BY ts // $slot, request_id
    HAVING count(*) > 1
)
SELECT
    first_file,
    last_file,
    count(*) AS ids,
    CAST(sum(n - 1) AS BIGINT) AS extra_rows
FROM repeated
GROUP BY first_file, last_file
ORDER BY first_file, last_file
