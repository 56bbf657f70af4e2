SELECT
    toUInt32({{booked}}) AS network,
    u.host = toIPv6('::') AS unmatched_host,
    sum(u.received), sum(u.sent), sum(u.internal), sum(u.unmatched), sum(u.packets), sum(u.flows)
FROM
(
    SELECT u.host AS host, sum(u.received) AS received, sum(u.sent) AS sent, sum(u.internal) AS internal,
        sum(u.unmatched) AS unmatched, sum(u.packets) AS packets, sum(u.flows) AS flows
    FROM {{table}} AS u
    WHERE {{where}}
    GROUP BY u.host
) AS u
GROUP BY network, unmatched_host
