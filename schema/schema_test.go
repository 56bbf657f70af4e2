package schema_test

import (
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

func TestApplyTwice(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	ctx := t.Context()
	for range 2 {
		if err := schema.Apply(ctx, conn, schema.Options{DSN: dsn, Zone: "Pacific/Auckland"}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := schema.Zone(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Pacific/Auckland"; got != want {
		t.Errorf("zone: got %s, want %s", got, want)
	}
	var name string
	if err := conn.QueryRow(ctx, "SELECT dictGet('service_names', 'name', (6, 443))").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if name != "https" {
		t.Errorf("name of tcp/443: got %s, want https", name)
	}
}
