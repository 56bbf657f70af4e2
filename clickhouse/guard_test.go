package clickhouse_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

// Each of these ended the engine's process before there was a guard.
func TestEngineOutlivesRudeClients(t *testing.T) {
	s := clickhousetest.Engine(t)
	reset := func(c net.Conn) {
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	hello := "\x00\x02me\x18\x08\xa0\xa9\x03\x04nope\x0bflattraffic\x05guess"
	for _, c := range []struct{ name, addr, send string }{
		{"native: nothing", s.TCPAddr(), ""},
		{"native: rubbish", s.TCPAddr(), strings.Repeat("\xff", 400)},
		{"native: HTTP", s.TCPAddr(), "GET / HTTP/1.1\r\n\r\n"},
		{"native: half a packet", s.TCPAddr(), hello[:10]},
		{"native: a packet and away", s.TCPAddr(), hello},
		{"HTTP: nothing", s.HTTPAddr(), ""},
		{"HTTP: rubbish", s.HTTPAddr(), strings.Repeat("\xff\x00\r\n", 100)},
		{"HTTP: half a request", s.HTTPAddr(), "POST /?query=SELECT+1 HTTP/1.1\r\nContent-Length: 100\r\n\r\n1"},
	} {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, err := io.WriteString(conn, c.send); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Read(make([]byte, 100))
		reset(conn)
	}
	conn, err := clickhouse.Open(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if s.Restarts() != 0 {
		t.Errorf("the engine ended %d times", s.Restarts())
	}
}

func TestHTTPThroughGuard(t *testing.T) {
	s := clickhousetest.Engine(t)
	opts, err := clickhouse.ParseDSN(s.ReaderDSN())
	if err != nil {
		t.Fatal(err)
	}
	get := func(password string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.HTTPAddr()+"/", strings.NewReader("SELECT 41 + 1"))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("reader", password)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(b)
	}
	if status, body := get(opts.Auth.Password); status != http.StatusOK || body != "42\n" {
		t.Errorf("query: got %d %q, want 200 and 42", status, body)
	}
	if status, _ := get("guess"); status != http.StatusForbidden {
		t.Errorf("wrong password: got status %d, want 403", status)
	}
}

// An answer that comes when the last byte of a request was just read arrives
// whole. The client sends headers and body apart, as many do.
func TestHTTPAnswersAreWhole(t *testing.T) {
	s := clickhousetest.Engine(t)
	address, err := url.Parse("http://" + s.HTTPAddr() + "/")
	if err != nil {
		t.Fatal(err)
	}
	user, err := clickhouse.ParseDSN(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	request := "POST / HTTP/1.1\r\nHost: " + address.Host + "\r\nX-ClickHouse-User: " + user.Auth.Username + "\r\nX-ClickHouse-Key: " + user.Auth.Password + "\r\nContent-Length: 8\r\n\r\n"
	ask := func() error {
		conn, err := net.Dial("tcp", address.Host)
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, part := range []string{request, "SELECT 1"} {
			if _, err := io.WriteString(conn, part); err != nil {
				return err
			}
			time.Sleep(100 * time.Microsecond)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && string(body) != "1\n" {
			err = fmt.Errorf("status %d, %q", resp.StatusCode, body)
		}
		return err
	}
	var clients errgroup.Group
	for range 2 {
		clients.Go(func() error {
			for n := range 1500 {
				if err := ask(); err != nil {
					return fmt.Errorf("after %d whole answers: %w", n, err)
				}
			}
			return nil
		})
	}
	if err := clients.Wait(); err != nil {
		t.Error(err)
	}
}
