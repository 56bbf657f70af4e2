SELECT count(), sum(bytes)
FROM flows
WHERE counted AND `end` >= toDateTime({start:UInt32}, 'UTC') AND `end` < toDateTime({end:UInt32}, 'UTC')
