INSERT INTO sessions (token, data, expires_at)
SELECT {token:String}, {data:String}, toDateTime({expires:Int64}, 'UTC')
