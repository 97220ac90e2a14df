-- The two logs of one slot put together by request id: coverage, duplicates, minutes, decisions.
-- grain: one row
-- reads: champion (ts in microseconds UTC, request_id, score, choice), challenger (the same)
-- parameters: $low, $high (the slot widened by the pairing slack), $start, $stop (the part of the slot that counts), $length (of a slot), $slack, $least, $most (ends of the usable scores); microseconds UTC, upper ends excluded
-- columns: champion_rows, champion_duplicates, champion_requests, challenger_rows, challenger_duplicates, challenger_requests, matched, only_challenger, pairs, decided, flips, busy_minutes, unwatched_minutes
WITH ours AS (
    SELECT
        ts,
        request_id,
        choice,
        CASE WHEN score >= $least AND score <= $most THEN score END AS usable,
        CASE WHEN request_id IS NOT NULL THEN
            row_number() OVER (
                PARTITION BY request_id
                ORDER BY
                    ts ASC,
                    CASE WHEN score >= $least AND score <= $most THEN score END ASC NULLS LAST
            )
        END AS place
    FROM champion
    WHERE ts >= $low AND ts < $high
),

theirs AS (
    SELECT
        ts,
        request_id,
        choice,
        CASE WHEN score >= $least AND score <= $most THEN score END AS usable,
        CASE WHEN request_id IS NOT NULL THEN
            row_number() OVER (
                PARTITION BY request_id
                ORDER BY
                    ts ASC,
                    CASE WHEN score >= $least AND score <= $most THEN score END ASC NULLS LAST
            )
        END AS place
    FROM challenger
    WHERE ts >= $low AND ts < $high
),

both_sides AS (
    SELECT
        ours.ts AS ts,
        theirs.ts AS other_ts,
        ours.usable IS NOT NULL AND theirs.usable IS NOT NULL AS scored,
        ours.choice IS NOT NULL AND theirs.choice IS NOT NULL AS decided,
        ours.choice <> theirs.choice AS flipped
    FROM ours
    INNER JOIN theirs ON ours.request_id = theirs.request_id
    WHERE ours.place = 1 AND theirs.place = 1
),

champion_side AS (
    SELECT
        count(*) AS champion_rows,
        count(*) FILTER (WHERE place > 1) AS champion_duplicates,
        count(DISTINCT ts // 60000000) AS busy_minutes
    FROM ours
    WHERE ts >= $start AND ts < $stop
),

challenger_side AS (
    SELECT
        count(*) AS challenger_rows,
        count(*) FILTER (WHERE place > 1) AS challenger_duplicates
    FROM theirs
    WHERE ts >= $start AND ts < $stop
),

pair_side AS (
    SELECT
        count(*) AS matched,
        count(*) FILTER (WHERE scored) AS pairs,
        count(*) FILTER (WHERE decided) AS decided,
        count(*) FILTER (WHERE flipped) AS flips,
        count(DISTINCT ts // 60000000) AS watched_minutes
    FROM both_sides
    WHERE ts >= $start AND ts < $stop
),

known AS (
    SELECT count(*) AS known_challengers
    FROM both_sides
    WHERE
        other_ts >= $start
        AND other_ts < $stop
        -- a pair belongs to the champion row's slot, which must see the challenger's row
        AND other_ts >= ts // $length * $length - $slack
        AND other_ts < ts // $length * $length + $length + $slack
)

SELECT
    champion_side.champion_rows,
    champion_side.champion_duplicates,
    champion_side.champion_rows - champion_side.champion_duplicates AS champion_requests,
    challenger_side.challenger_rows,
    challenger_side.challenger_duplicates,
    challenger_side.challenger_rows
    - challenger_side.challenger_duplicates AS challenger_requests,
    pair_side.matched,
    challenger_side.challenger_rows
    - challenger_side.challenger_duplicates
    - known.known_challengers AS only_challenger,
    pair_side.pairs,
    pair_side.decided,
    pair_side.flips,
    champion_side.busy_minutes,
    champion_side.busy_minutes - pair_side.watched_minutes AS unwatched_minutes
FROM champion_side
CROSS JOIN challenger_side
CROSS JOIN pair_side
CROSS JOIN known
