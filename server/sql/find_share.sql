SELECT link, person, created_at, expires_at
FROM share_links FINAL
WHERE NOT deleted AND token = {token:String} AND (toUnixTimestamp(expires_at) = 0 OR expires_at > toDateTime({now:UInt32}, 'UTC'))
