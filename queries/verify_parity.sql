-- One feature as both models logged it for the same request of one slot: do the values differ?
-- grain: one row
-- reads: champion (ts in microseconds UTC, request_id, score, number, word), challenger (the same)
-- parameters: $low, $high (the slot widened by the pairing slack), $start, $stop (the part of the slot that counts), $least, $most (ends of the usable scores), $tolerance (relative, to at most $largest, so that infinity differs from any number)
-- columns: compared, differing
WITH ours AS (
    SELECT
        ts,
        request_id,
        word,
        CASE WHEN NOT isnan(number) THEN number END AS number,
        row_number() OVER (
            PARTITION BY request_id
            ORDER BY
                ts ASC,
                CASE WHEN score >= $least AND score <= $most THEN score END ASC NULLS LAST
        ) AS place
    FROM champion
    WHERE ts >= $low AND ts < $high AND request_id IS NOT NULL
),

theirs AS (
    SELECT
        request_id,
        word,
        CASE WHEN NOT isnan(number) THEN number END AS number,
        row_number() OVER (
            PARTITION BY request_id
            ORDER BY
                ts ASC,
                CASE WHEN score >= $least AND score <= $most THEN score END ASC NULLS LAST
        ) AS place
    FROM challenger
    WHERE ts >= $low AND ts < $high AND request_id IS NOT NULL
),

both_sides AS (
    SELECT
        ours.number AS a,
        theirs.number AS b,
        ours.word AS a_word,
        theirs.word AS b_word,
        ours.number IS NULL AND ours.word IS NULL AS missing,
        theirs.number IS NULL AND theirs.word IS NULL AS absent
    FROM ours
    INNER JOIN theirs ON ours.request_id = theirs.request_id
    WHERE ours.place = 1 AND theirs.place = 1 AND ours.ts >= $start AND ours.ts < $stop
)

SELECT
    count(*) AS compared,
    count(*) FILTER (
        WHERE
        missing <> absent
        OR (
            NOT missing
            AND NOT absent
            AND coalesce(
                a_word <> b_word,
                a <> b AND abs(a - b) > $tolerance * least(greatest(abs(a), abs(b)), $largest),
                TRUE
            )
        )
    ) AS differing
FROM both_sides
