ALTER TABLE addresses
    ADD COLUMN IF NOT EXISTS leased SimpleAggregateFunction(max, UInt8) DEFAULT 0 COMMENT '1 = a DHCP lease said so, 0 = only flows did' AFTER mac
