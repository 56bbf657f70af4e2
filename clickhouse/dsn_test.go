package clickhouse

import (
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
)

func TestParseDSN(t *testing.T) {
	for _, c := range []struct{ dsn, addr, database, user, password string }{
		{"clickhouse://u:p@h:9000/d", "h:9000", "d", "u", "p"},
		{"clickhouse://h:9000", "h:9000", DefaultDatabase, "default", ""},
		{"clickhouse://h:9000/", "h:9000", DefaultDatabase, "default", ""},
		{" clickhouse://u:%40%2F%3A@[::1]:9000/d\n", "[::1]:9000", "d", "u", "@/:"},
	} {
		o, err := ParseDSN(c.dsn)
		if err != nil {
			t.Errorf("%q: %v", c.dsn, err)
			continue
		}
		got := []string{o.Addr[0], o.Auth.Database, o.Auth.Username, o.Auth.Password}
		if diff := cmp.Diff([]string{c.addr, c.database, c.user, c.password}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.dsn, diff)
		}
		if o.Settings["async_insert"] != 0 {
			t.Errorf("%q: async_insert is %v, want 0", c.dsn, o.Settings["async_insert"])
		}
	}
}

func TestParseDSNKeepsSettings(t *testing.T) {
	o, err := ParseDSN("clickhouse://h:9000/d?async_insert=1&max_open_conns=3&compress=zstd")
	if err != nil {
		t.Fatal(err)
	}
	if o.Settings["async_insert"] == 0 || o.MaxOpenConns != 3 || o.Compression.Method != ch.CompressionZSTD {
		t.Errorf("options of the DSN are overridden: %v, %d connections, %v", o.Settings, o.MaxOpenConns, o.Compression)
	}
}

func TestParseDSNErrors(t *testing.T) {
	for _, c := range []struct{ dsn, want string }{
		{"", "has no scheme"},
		{"localhost:9000", "begins with localhost:"},
		{"http://u:secret@h:8123/d", "speaks the native protocol"},
		{"https://h:8443", "speaks the native protocol"},
		{"mysql://h:9000/d", "begins with mysql:"},
		{"clickhouse://u:secret@h/d", "names no port for host h;"},
		{"clickhouse://u:secret@h:/d", "names no port"},
		{"clickhouse://u:secret@:9000/d", "names no host"},
		{"clickhouse:///d", "names no host"},
		{"clickhouse://u:sec%ret@h:9000/d", "is not a URL"},
		{"clickhouse://u:secret@h:9000/d/e", "is not a database name"},
		{"clickhouse://u:secret@h:9000/d?dial_timeout=soon", "option of the ClickHouse DSN is not valid"},
	} {
		_, err := ParseDSN(c.dsn)
		if err == nil {
			t.Errorf("%q: no error, want one with %q", c.dsn, c.want)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %q, want %q in it", c.dsn, err, c.want)
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec%ret") {
			t.Errorf("%q: the error names the password: %v", c.dsn, err)
		}
	}
}
