SELECT sum(cityHash64({{.Identity}})) FROM {{.Table}} WHERE _partition_id = '{{.Partition}}'
