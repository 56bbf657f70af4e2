SELECT device, name, owner, macs, addresses
FROM devices FINAL
WHERE NOT deleted
ORDER BY device
