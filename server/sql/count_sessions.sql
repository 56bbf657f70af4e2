SELECT count() FROM sessions FINAL
WHERE NOT deleted AND expires_at > now() AND JSONExtractString(data, 'account') = {account:String}
