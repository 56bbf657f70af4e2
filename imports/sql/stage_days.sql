-- The local days that the rows of a stage which count reach into.
SELECT DISTINCT toString(arrayJoin(arrayMap(i -> toDate(start, {zone:String}) + i, range(toUInt32(1 + toDate(`end`, {zone:String}) - toDate(start, {zone:String})))))) AS day
FROM {{stage}}
WHERE counted
