INSERT INTO addresses (address, mac, leased, first_seen, last_seen)
