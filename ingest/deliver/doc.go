// Package deliver brings rows to ClickHouse, each exactly once.
//
// Rows gather in column buffers. A batch is sealed once a flush interval, or
// earlier when it is large: when its flows cover so many quarter hours that the
// views' share of the insert would need much memory. A sealed batch has an id and lies in one month, so
// it becomes one part of flows: it is there as a whole or not at all. It is
// first written to the spool directory, then sent, then its file is removed.
// While ClickHouse is away the files stay, are forced to the disk, and are sent
// in order when it returns, by this process or by the next one. What does not
// fit the spool's limit is dropped and counted. Small batches that wait and were
// never sent are joined, so that a backlog drains in few inserts.
//
// A batch is sent with its id as insert_deduplication_token, for ever, until
// ClickHouse acknowledges it. Tables deduplicate by that token, views' targets
// included, so that a repeated batch completes what the first try left
// undone.
//
// One hole is left: a server that is killed between writing a table's
// deduplication log and renaming the part skips the repeated batch in that
// table although it never held it. So a batch whose first try was not
// acknowledged is in doubt (its file is renamed before the first try, so the
// next process knows too), and after its repeat is acknowledged, before any
// other batch is sent,
//
//  1. the rows are put into a table of their own, flows_repair_…, which no
//     view watches, and compared with flows row by row. The part is atomic: if
//     one row is missing, all are. Then the partition is attached to flows,
//     which triggers no views either;
//  2. the caller's Reconcile brings every rollup in line with flows for the
//     time the batch touches.
//
// The comparison needs no memory of what was sent, so it holds after a restart
// too. It takes a lost batch for present only if each of its rows has an
// identical twin, to the millisecond of duration and the second of reception,
// in another batch.
package deliver
