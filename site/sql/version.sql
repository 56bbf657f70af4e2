-- Names the content of tables: it changes with every row.
SELECT toString(cityHash64(arraySort(groupArray((table, name, hash_of_all_files)))))
FROM system.parts
WHERE database = currentDatabase() AND active AND has({tables:Array(String)}, table)
SETTINGS max_threads = 1
