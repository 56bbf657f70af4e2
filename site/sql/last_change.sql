SELECT max(at)
FROM
(
    SELECT max(changed_at) AS at FROM plans
    UNION ALL SELECT max(changed_at) FROM networks
    UNION ALL SELECT max(changed_at) FROM exporters
    UNION ALL SELECT max(changed_at) FROM settings
    UNION ALL SELECT max(changed_at) FROM secrets
    UNION ALL SELECT max(changed_at) FROM devices
    UNION ALL SELECT max(changed_at) FROM people
)
