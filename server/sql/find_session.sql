SELECT data FROM sessions FINAL
WHERE token = {token:String} AND NOT deleted AND expires_at > now()
