ALTER TABLE plans
    ADD COLUMN IF NOT EXISTS free String COMMENT 'Times that do not count toward the cap, by the clock of the zone: 02:00-06:00; Sat,Sun 00:00-24:00' AFTER exporters,
    ADD COLUMN IF NOT EXISTS line String COMMENT 'Name of the line (of its newest version), empty = the name of the plan' AFTER free
