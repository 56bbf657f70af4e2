// Package kafka hands decoded flows on to Kafka, in goflow2's formats, beside
// the way to ClickHouse and never in its way.
//
// Flows are written as messages when they are decoded and wait in memory, of
// which there is a bound. One goroutine sends them, again and again until the
// brokers have them on all replicas in sync: what was handed over is there at
// least once, twice where an answer was lost. What does not fit the bound while
// the brokers are away is dropped, the newest first, and counted. Nothing is
// kept on disk: a killed ingest loses, uncounted, what was in memory.
package kafka
