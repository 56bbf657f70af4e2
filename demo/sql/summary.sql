SELECT sum(flows), sum(received + sent), uniqExactIf(host, host != toIPv6('::'))
FROM demo_stage_daily_host
