INSERT INTO host_names (address, source, name, first_seen, last_seen)
