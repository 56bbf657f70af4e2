SELECT if(count() = 5 AND uniqExact(zone) = 1, any(zone), '')
FROM
(
    SELECT extract(comment, 'time zone ([A-Za-z0-9_+/-]+)') AS zone
    FROM system.tables
    WHERE database = currentDatabase()
        AND name IN ('daily_total', 'daily_host', 'daily_protocol', 'daily_host_protocol', 'daily_peer')
)
