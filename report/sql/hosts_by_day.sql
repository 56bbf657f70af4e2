SELECT
    d.host, sum(d.received), sum(d.sent), sum(d.internal), sum(d.unmatched), sum(d.packets), sum(d.flows),
    max(d.number), groupArray(d.number), groupArray(d.received + d.sent)
FROM
(
    SELECT
        u.host AS host,
        toUInt16({{day}}) AS number,
        sum(u.received) AS received, sum(u.sent) AS sent, sum(u.internal) AS internal, sum(u.unmatched) AS unmatched,
        sum(u.packets) AS packets, sum(u.flows) AS flows
    FROM {{table}} AS u
    WHERE {{where}}
    GROUP BY host, number
    HAVING received + sent + internal + unmatched + packets + flows > 0
) AS d
GROUP BY d.host
ORDER BY d.host
