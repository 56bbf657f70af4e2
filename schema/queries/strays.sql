WITH
    {{include "tell" .}}
SELECT countIf(told != direction OR counts != counted)
FROM (
    SELECT direction, counted, exporter, in_if, out_if, flow_direction,
        if(direction IN ('received', 'unmatched'), peer, host) AS src,
        multiIf(direction = 'received', host, direction = 'unmatched', unmatched_dst, peer) AS dst
    FROM flows
)
