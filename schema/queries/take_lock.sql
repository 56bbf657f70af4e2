SELECT number FROM numbers(100000000) WHERE sleepEachRow(0.02) = 1
SETTINGS max_block_size = 1, max_threads = 1, max_execution_time = 0
