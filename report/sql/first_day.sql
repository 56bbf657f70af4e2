SELECT count() > 0, toUInt16(min(u.day))
FROM {{table}} AS u
WHERE {{where}}
