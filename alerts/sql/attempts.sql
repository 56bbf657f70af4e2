SELECT attempt, argMinIf(server, at, state = 'claimed'), countIf(state = 'sent') > 0, countIf(state = 'failed') > 0, toUnixTimestamp(max(at))
FROM alerts
WHERE alert = {alert:String}
GROUP BY attempt
ORDER BY attempt
