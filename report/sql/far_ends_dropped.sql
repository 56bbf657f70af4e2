SELECT toBool(count() > 0)
FROM far_end_drops AS r
WHERE addMonths(r.month, 1) > {first:Date} AND r.month < {next:Date}
