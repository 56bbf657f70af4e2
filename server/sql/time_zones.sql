SELECT time_zone FROM system.time_zones
WHERE match(time_zone, '^(Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific)/') OR time_zone = 'UTC'
ORDER BY time_zone
