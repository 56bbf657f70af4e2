INSERT INTO devices (device, name, owner, macs, addresses, changed_at)
