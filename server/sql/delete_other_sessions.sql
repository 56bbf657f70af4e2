INSERT INTO sessions (token, data, expires_at, deleted)
SELECT token, '', expires_at, true FROM sessions FINAL
WHERE NOT deleted AND token != {keep:String} AND JSONExtractString(data, 'account') = {account:String}
