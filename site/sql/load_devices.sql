SELECT device, name, owner, macs, addresses, apart
FROM devices FINAL
WHERE NOT deleted
ORDER BY device
