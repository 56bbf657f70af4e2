INSERT INTO networks (network, name, metered, deleted, changed_at)
