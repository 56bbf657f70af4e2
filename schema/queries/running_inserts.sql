SELECT query_id
FROM system.processes
WHERE query_kind = 'Insert' AND is_initial_query
    AND (current_database = currentDatabase() OR position(query, currentDatabase()) > 0)
    AND NOT startsWith(query, 'INSERT INTO next_')
    AND NOT startsWith(query, 'INSERT INTO kept_')
