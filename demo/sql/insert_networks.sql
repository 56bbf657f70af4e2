INSERT INTO networks (network, name, changed_at)
