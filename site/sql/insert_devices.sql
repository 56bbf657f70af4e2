INSERT INTO devices (device, name, owner, macs, addresses, deleted, changed_at)
