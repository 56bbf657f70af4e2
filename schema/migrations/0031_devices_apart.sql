ALTER TABLE devices
    ADD COLUMN IF NOT EXISTS apart Bool DEFAULT false COMMENT 'True: its MAC addresses are a router''s, what is seen with them stays apart' AFTER addresses
