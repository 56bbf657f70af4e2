INSERT INTO people (person, name, weight, deleted, changed_at)
