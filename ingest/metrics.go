package ingest

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// maxExporterMetrics bounds the series by exporter: anyone can forge a source.
const maxExporterMetrics = 256

// dropReasons are the events that mean a datagram, or a part of one, was not
// used.
func dropReasons() []ledger.Event {
	return []ledger.Event{
		ledger.KernelDrops, ledger.QueueDrops, ledger.Oversize, ledger.Blocked, ledger.UnknownVersion,
		ledger.Malformed, ledger.BadTemplate, ledger.StateLimit, ledger.TemplateMissing,
	}
}

// otherEvents are counted under their own name.
func otherEvents() []ledger.Event {
	return []ledger.Event{
		ledger.LostRecords, ledger.LostDatagrams, ledger.SpoolDrops, ledger.TimeFixed, ledger.NoCounters,
		ledger.Uncounted, ledger.Options, ledger.RunningSeconds,
	}
}

// insertMetrics measures inserts.
type insertMetrics struct {
	rows    *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newInsertMetrics() *insertMetrics {
	return &insertMetrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flattraffic_rows_inserted_total", Help: "Rows ClickHouse acknowledged, by table.",
		}, []string{"table"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flattraffic_insert_seconds", Help: "Time of acknowledged inserts.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
}

func (m *insertMetrics) observe(table string, rows int, took time.Duration) {
	m.rows.WithLabelValues(table).Add(float64(rows))
	m.seconds.Observe(took.Seconds())
}

// register adds the service's metrics to a registry.
func (in *Ingest) register(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{in.inserts.rows, in.inserts.seconds, newCollector(in)} {
		if err := registry.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// collector reads the other metrics from where they are kept anyway.
type collector struct {
	in *Ingest

	received, dropped, records, events *prometheus.Desc
	spoolBytes, spoolBatches, away     *prometheus.Desc
	templates, offset                  *prometheus.Desc
	kafkaRecords, kafkaBytes           *prometheus.Desc
}

func newCollector(in *Ingest) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("flattraffic_"+name, help, labels, nil)
	}
	return &collector{
		in:           in,
		received:     desc("datagrams_received_total", "Datagrams read from the sockets."),
		dropped:      desc("datagrams_dropped_total", "Datagrams, or sets of one, that did not become flows, by reason.", "reason"),
		records:      desc("records_decoded_total", "Flow records decoded."),
		events:       desc("events_total", "Further counts of the ledger, by event.", "event"),
		spoolBytes:   desc("spool_bytes", "Bytes of batches waiting on disk."),
		spoolBatches: desc("spool_batches", "Batches waiting to be sent."),
		away:         desc("clickhouse_away_seconds", "For how long ClickHouse has not taken batches, 0 = it does."),
		templates:    desc("templates", "Templates known, by exporter.", "exporter"),
		offset:       desc("clock_offset_seconds", "Median of receive time less export time, by exporter.", "exporter"),
		kafkaRecords: desc("kafka_records_total", "Flow records for Kafka, by what became of them.", "result"),
		kafkaBytes:   desc("kafka_buffer_bytes", "Memory of flow records that wait for Kafka."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.received, c.dropped, c.records, c.events, c.spoolBytes, c.spoolBatches, c.away, c.templates, c.offset, c.kafkaRecords, c.kafkaBytes,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	totals := c.in.ledger.Totals()
	counter(c.received, totals[ledger.Datagrams])
	counter(c.records, totals[ledger.Records])
	for _, e := range dropReasons() {
		counter(c.dropped, totals[e], string(e))
	}
	for _, e := range otherEvents() {
		counter(c.events, totals[e], string(e))
	}
	health := c.in.Health()
	gauge(c.spoolBytes, float64(health.SpoolBytes))
	gauge(c.spoolBatches, float64(health.SpoolBatches))
	away := 0.0
	if !health.AwaySince.IsZero() {
		away = time.Since(health.AwaySince).Seconds()
	}
	gauge(c.away, away)
	if c.in.kafka != nil {
		k := c.in.kafka.Stats()
		counter(c.kafkaRecords, k.HandedOver, "handed_over")
		counter(c.kafkaRecords, k.Dropped, "dropped")
		gauge(c.kafkaBytes, float64(k.Bytes))
	}
	states := c.in.state.exporters()
	for _, s := range states[:min(len(states), maxExporterMetrics)] {
		gauge(c.templates, float64(s.Templates), s.Exporter.String())
		if s.ClockKnown {
			gauge(c.offset, s.ClockOffset.Seconds(), s.Exporter.String())
		}
	}
}
