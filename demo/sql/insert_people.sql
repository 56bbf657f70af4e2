INSERT INTO people (person, name, changed_at)
