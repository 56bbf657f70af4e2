// Package ledger counts what the ingest saw and lost, per exporter and
// quarter hour, so that every total can say how complete it is.
package ledger

// Event is what is counted. The texts are those of ledger.event in SQL.
type Event string

// The events. Those from Oversize down are reasons why a datagram or a part of
// one did not become flows.
const (
	Datagrams       Event = "datagrams"        // datagrams received
	Records         Event = "records"          // flow rows made
	RunningSeconds  Event = "running_seconds"  // seconds the ingest listened (exporter ::)
	LostRecords     Event = "lost_records"     // records missing by sequence number (NetFlow v5, IPFIX)
	LostDatagrams   Event = "lost_datagrams"   // datagrams missing by sequence number (NetFlow v9, sFlow)
	KernelDrops     Event = "kernel_drops"     // datagrams the kernel dropped, socket buffer full (exporter ::)
	QueueDrops      Event = "queue_drops"      // datagrams dropped because the workers were behind
	SpoolDrops      Event = "spool_drops"      // rows dropped because the spool was full
	TimeFixed       Event = "time_fixed"       // records whose times were not plausible
	NoCounters      Event = "no_counters"      // records without any counter (NAT and security events)
	Uncounted       Event = "uncounted"        // rows stored but not counted, by the exporter's settings
	Options         Event = "options"          // options records read
	DropNotices     Event = "drop_notices"     // sFlow notices of packets a switch discarded: no traffic, no flow
	TemplateMissing Event = "template_missing" // sets given up: their template never came
	Oversize        Event = "oversize"         // datagram longer than the receive buffer
	Blocked         Event = "blocked"          // datagram of an exporter the settings refuse
	UnknownVersion  Event = "unknown_version"  // not NetFlow v5, v9, IPFIX or sFlow v5
	Malformed       Event = "malformed"        // datagram or set that breaks its protocol's rules
	BadTemplate     Event = "bad_template"     // template refused (no length, too many fields)
	StateLimit      Event = "state_limit"      // refused because a bound on state was reached
)
