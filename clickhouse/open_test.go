package clickhouse_test

import (
	"bufio"
	"encoding/binary"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

func TestOpenCreatesDatabase(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := conn.QueryRow(t.Context(), "SELECT currentDatabase()").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != opts.Auth.Database {
		t.Errorf("database: got %s, want %s", got, opts.Auth.Database)
	}
}

func TestOpenErrors(t *testing.T) {
	s := clickhousetest.Engine(t)
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(s.DSN())
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	for _, c := range []struct{ name, dsn, want string }{
		{"nobody listens", with(func(u *url.URL) { u.Host = nobody }), "cannot be reached"},
		{"wrong password", with(func(u *url.URL) { u.User = url.UserPassword("flattraffic", "guess") }), "refuses user flattraffic with this password"},
		{"unknown user", with(func(u *url.URL) { u.User = url.UserPassword("somebody", "guess") }), "refuses user somebody with this password"},
		{"a database that may not be made", with(func(u *url.URL) { u.Path = "/elsewhere" }), "may not create it"},
		{"a server from before 24.8", with(func(u *url.URL) { u.Host = oldServer(t) }), "is version 23.3, but FlatTraffic needs 24.8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := clickhouse.Open(t.Context(), c.dsn)
			if err == nil {
				conn.Close()
				t.Fatalf("no error, want one with %q", c.want)
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "guess") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one sentence with %q", err, c.want)
			}
		})
	}
	if s.Restarts() != 0 {
		t.Errorf("the engine ended %d times of refused clients", s.Restarts())
	}
}

// oldServer greets as ClickHouse 23.3 does and returns its address.
func oldServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(c).Peek(10)
			b := []byte{0}
			str := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
			str("ClickHouse")
			for _, n := range []uint64{23, 3, 54460} {
				b = binary.AppendUvarint(b, n)
			}
			str("UTC")
			str("old")
			b = binary.AppendUvarint(b, 1)
			str("")
			_, _ = c.Write(b)
			defer c.Close()
		}
	}()
	return l.Addr().String()
}
