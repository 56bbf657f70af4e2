package ingest

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/ingest/ledger"
	"github.com/flattraffic/flattraffic/site"
)

// Replay makes rows of what was recorded elsewhere, the way the service makes
// them of what arrives: by the same decoder, settings and ledger. The clock is
// that of the recording. It is for one goroutine.
type Replay struct {
	policy  *policy
	decoder *decode.Decoder
	ledger  *ledger.Ledger
	records []flow.Record
	rows    []deliver.Row
	last    time.Time
}

// NewReplay returns a Replay under settings. It does no I/O.
func NewReplay(settings *site.Settings, log *slog.Logger) (*Replay, error) {
	services, err := flow.NewServices()
	if err != nil {
		return nil, err
	}
	r := rulesOf(settings)
	rp := &Replay{policy: newPolicy(&r, services), ledger: ledger.New()}
	rp.decoder = decode.New(decode.Config{Log: log, Ledger: rp.ledger, Exporter: rp.policy.decoding})
	return rp, nil
}

// Datagram returns the rows of a datagram that was received at a time. They
// are valid until the next call.
func (r *Replay) Datagram(from netip.Addr, received time.Time, payload []byte) []deliver.Row {
	r.last = received
	r.ledger.Count(from, received, ledger.Datagrams, 1)
	if r.policy.refuses(from) {
		r.ledger.Count(from, received, ledger.Blocked, 1)
		return nil
	}
	r.records = r.decoder.Decode(r.records[:0], from, received, payload)
	rows, uncounted := r.policy.rows(r.rows[:0], r.records)
	r.rows = rows
	r.ledger.Count(from, received, ledger.Records, uint64(len(rows)))
	r.ledger.Count(from, received, ledger.Uncounted, uncounted)
	return rows
}

// Record returns the row of a record that somebody else decoded; refused says
// that the settings block its exporter.
func (r *Replay) Record(record *flow.Record) (row deliver.Row, refused bool) {
	if r.policy.refuses(record.Exporter) {
		return row, true
	}
	rule := r.policy.countRule(record.Exporter)
	return r.policy.row(record, &rule), false
}

// End counts what still waits for a template, and returns all counts so far.
func (r *Replay) End() map[ledger.Event]uint64 {
	if !r.last.IsZero() {
		r.decoder.Flush(r.last)
	}
	return r.ledger.Totals()
}

// FlushLedger hands over the counts as rows of the table ledger.
func (r *Replay) FlushLedger(insert func(table string, input proto.Input) error) error {
	return r.ledger.Flush(insert)
}

// row tells a record from the local host's side.
func (p *policy) row(r *flow.Record, rule *flow.CountRule) deliver.Row {
	return deliver.Row{Record: r, Ends: p.classifier.Classify(r), Counted: rule.Counts(r)}
}

// rows appends the rows of a datagram's records to dst and says how many do not
// count. All come from one exporter.
func (p *policy) rows(dst []deliver.Row, records []flow.Record) (rows []deliver.Row, uncounted uint64) {
	if len(records) == 0 {
		return dst, 0
	}
	rule := p.countRule(records[0].Exporter)
	for i := range records {
		dst = append(dst, p.row(&records[i], &rule))
		if !dst[len(dst)-1].Counted {
			uncounted++
		}
	}
	return dst, uncounted
}

// rulesOf picks from the settings what the ingest obeys.
func rulesOf(settings *site.Settings) rules {
	r := rules{Exporters: settings.Exporters, AllowListOnly: settings.Display.AllowListOnly}
	for _, n := range settings.Networks {
		r.Networks = append(r.Networks, n.Prefix)
	}
	return r
}
