package ingest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/ingest/kafka"
)

// documented are the statements that docs/scaling.md gives under a heading,
// for brokers of this test.
func documented(t *testing.T, heading string, brokers []string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n### "+heading+"\n")
	if !found {
		t.Fatalf("docs/scaling.md has no heading %q", heading)
	}
	block := regexp.MustCompile("(?s)```sql\n(.*?)```").FindStringSubmatch(section)
	if block == nil {
		t.Fatalf("docs/scaling.md has no SQL under %q", heading)
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(block[1], "kafka:9092", strings.Join(brokers, ",")), ";\n"), ";\n")
}

// What is handed to Kafka comes by ClickHouse's Kafka engine, with the
// documented statements, to the same sums as by FlatTraffic's own way.
func TestKafka(t *testing.T) {
	engine := clickhousetest.Engine(t, "ALL ON *.*")
	for heading, format := range map[string]kafka.Format{"JSON": kafka.JSON, "Protobuf": kafka.Protobuf} {
		t.Run(heading, func(t *testing.T) {
			conn, dsn := engine.Database(t)
			migrate(t, conn, dsn)
			brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "flows"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(brokers.Close)
			for _, statement := range documented(t, heading, brokers.ListenAddrs()) {
				statement = strings.ReplaceAll(statement, "kafka_schema = 'flow.proto:FlowMessage'", schemaText(t))
				if err := conn.Exec(t.Context(), statement); err != nil {
					t.Fatalf("%v\n%s", err, statement)
				}
			}
			// Before the brokers go, or the engine looks for them for long.
			defer drop(t, conn, "goflow2_queue")

			registry := prometheus.NewRegistry()
			s := start(t, options{conn: conn, dsn: dsn, registry: registry, config: ingest.Config{
				Kafka: kafka.Config{Brokers: brokers.ListenAddrs(), Topic: "flows", Format: format},
			}})
			for range 200 {
				s.router.export(10)
			}
			waitFor(t, "the flows in ClickHouse", func() bool { return rows(t, conn, "flows") == s.router.sent.Records })
			waitFor(t, "the flows by way of Kafka", func() bool { return rows(t, conn, "goflow2_flows") >= s.router.sent.Records })
			var same bool
			if err := conn.QueryRow(t.Context(), `SELECT (SELECT (count(), sum(bytes), sum(packets), sum(cityHash64(src_addr, dst_addr, src_port, dst_port, exporter, toUnixTimestamp("end")))) FROM flows) =
				(SELECT (count(), sum(bytes), sum(packets), sum(cityHash64(src_addr, dst_addr, src_port, dst_port, exporter, toUnixTimestamp("end")))) FROM goflow2_flows)`).Scan(&same); err != nil {
				t.Fatal(err)
			}
			if !same {
				t.Error("flows by way of Kafka are not those that FlatTraffic stored")
			}
			if got := metric(t, registry, "flattraffic_kafka_records_total"); got != float64(s.router.sent.Records) {
				t.Errorf("flattraffic_kafka_records_total: got %v, want %d", got, s.router.sent.Records)
			}
		})
	}
}

// schemaText gives ClickHouse goflow2's description of its messages as a text:
// the embedded engine does not look for its file where a server does.
func schemaText(t *testing.T) string {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/netsampler/goflow2/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), "pb", "flow.proto"))
	if err != nil {
		t.Fatal(err)
	}
	return "kafka_schema = '', format_schema_source = 'string', format_schema_message_name = 'FlowMessage', format_schema = '" +
		strings.ReplaceAll(string(text), "'", `\'`) + "'"
}

func drop(t *testing.T, conn driver.Conn, table string) {
	t.Helper()
	if err := conn.Exec(t.Context(), "DROP TABLE "+table+" SYNC"); err != nil {
		t.Error(err)
	}
}

func rows(t *testing.T, conn driver.Conn, table string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
