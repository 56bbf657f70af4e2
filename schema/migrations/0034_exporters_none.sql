ALTER TABLE exporters
    MODIFY COLUMN count_direction Enum8('any' = 0, 'ingress' = 1, 'egress' = 2, 'none' = 3) COMMENT 'Only records observed this way count; none: no record counts'
