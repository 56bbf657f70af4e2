INSERT INTO share_links (link, token, person, created_at, expires_at)
SELECT {link:String}, {token:String}, {person:String}, now(), toDateTime({expires:UInt32}, 'UTC')
