-- A row an exporter and event. For what was heard, and when the ingest ran,
-- also the days of UTC in which each quarter hour has it (of running: all of its
-- 900 seconds), and of the other days the quarter hours with their counts, so
-- that years are few numbers. Rows that are not merged yet make a day one of the
-- others where their sum decides.
SELECT
    exporter, event, sum(total),
    groupArrayIf(day, listed AND through),
    groupArrayIf(day, listed AND NOT through),
    groupArrayIf(places, listed AND NOT through),
    groupArrayIf(counts, listed AND NOT through)
FROM
(
    WITH toUInt8(intDiv(toUnixTimestamp(l.bucket) % 86400, 900)) AS place
    SELECT
        l.exporter AS exporter,
        toString(l.event) AS event,
        toUInt16(intDiv(toUnixTimestamp(l.bucket), 86400)) AS day,
        sum(l.count) AS total,
        l.event IN ('datagrams', 'running_seconds') AS listed,
        groupBitOrIf(bitShiftLeft(toUInt64(1), place % 48), listed AND place < 48) = 281474976710655
            AND groupBitOrIf(bitShiftLeft(toUInt64(1), place % 48), listed AND place >= 48) = 281474976710655
            AND (l.event = 'datagrams' OR count() = 96 AND min(l.count) >= 900) AS through,
        if(through, [], groupArrayIf(place, listed)) AS places,
        if(through, [], groupArrayIf(l.count, l.event = 'running_seconds')) AS counts
    FROM ledger AS l
    WHERE l.count > 0 AND {{where}}
    GROUP BY l.exporter, l.event, day
)
GROUP BY exporter, event
