INSERT INTO sessions (token, data, expires_at, deleted)
SELECT token, '', expires_at, true FROM sessions FINAL
WHERE token = {token:String} AND NOT deleted
