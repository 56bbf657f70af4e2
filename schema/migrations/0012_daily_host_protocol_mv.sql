CREATE MATERIALIZED VIEW IF NOT EXISTS daily_host_protocol_mv TO daily_host_protocol AS
SELECT
    toDate(bucket, '{zone}') AS day,
    exporter, host, protocol, service,
    sum(u.received) AS received,
    sum(u.sent) AS sent,
    sum(u.internal) AS internal,
    sum(u.unmatched) AS unmatched,
    sum(u.received_packets) AS received_packets,
    sum(u.sent_packets) AS sent_packets,
    sum(u.internal_packets) AS internal_packets,
    sum(u.unmatched_packets) AS unmatched_packets,
    sum(u.received_flows) AS received_flows,
    sum(u.sent_flows) AS sent_flows,
    sum(u.internal_flows) AS internal_flows,
    sum(u.unmatched_flows) AS unmatched_flows
FROM usage_15m AS u
GROUP BY day, exporter, host, protocol, service
