-- Names the content of the tables of the settings: it changes with every row.
SELECT toString(cityHash64(arraySort(groupArray((table, name, hash_of_all_files)))))
FROM system.parts
WHERE database = currentDatabase() AND active AND table IN ('plans', 'networks', 'exporters', 'settings', 'devices', 'people')
