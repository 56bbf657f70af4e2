INSERT INTO devices (device, name, owner, macs, addresses, apart, deleted, changed_at)
