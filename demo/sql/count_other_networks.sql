SELECT count() FROM networks FINAL WHERE NOT deleted AND changed_at != fromUnixTimestamp64Milli(?)
