SELECT person, name, weight
FROM people FINAL
WHERE NOT deleted
