SELECT toUInt16(toDate(l.bucket, {zone:String})) AS number
FROM ledger AS l
WHERE l.event = 'datagrams' AND l.count > 0 AND {{where}}
GROUP BY number
