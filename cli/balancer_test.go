//go:build lab

package cli_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// What the routers behind the balancer export, each from an address of its own.
const (
	balancedRouters   = 8
	balancedDatagrams = 400
	balancedRecords   = 20 // a datagram
)

func balancedRouter(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 99, 0, byte(11 + n)}) }

func balancedBytes(router, datagram, record int) int {
	return 1000*(router+1) + datagram*balancedRecords + record
}

// exportBalanced has every router export from the far namespace.
func exportBalanced(l *lab) error {
	template := decodetest.NewTemplate(300, 8, 12, 22, 21, 1, 2, 7, 11, 4)
	var routers errgroup.Group
	for n := range balancedRouters {
		routers.Go(func() error {
			conn, err := l.dialFar(balancedRouter(n), hostV4+":2055")
			if err != nil {
				return err
			}
			defer conn.Close()
			const uptime = 3_600_000
			for i := range balancedDatagrams {
				m := decodetest.Message{Version: 9, Uptime: uptime * time.Millisecond, Time: time.Now(), Sequence: uint32(i), Domain: 1}
				if i == 0 {
					m.Templates(template) // once only: another ingest would know nothing of it
				}
				var records [][]byte
				for k := range balancedRecords {
					records = append(records, template.Record(netip.MustParseAddr("203.0.113.9"), netip.AddrFrom4([4]byte{192, 168, byte(n), byte(k)}),
						uptime-2000, uptime-1000, balancedBytes(n, i, k), 3, 443, 50000, 6))
				}
				if _, err := conn.Write(m.Data(template, records...).Bytes()); err != nil {
					return err
				}
				time.Sleep(2 * time.Millisecond)
			}
			return nil
		})
	}
	return routers.Wait()
}

// dialFar makes a UDP socket in the far namespace. The thread that went there
// for it ends with its goroutine.
func (l *lab) dialFar(from netip.Addr, to string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var ns *os.File
		if ns, err = os.Open("/var/run/netns/" + l.far); err != nil {
			return
		}
		defer ns.Close()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			conn, err = net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
		}
	}()
	<-done
	return conn, err
}

// Two ingests behind a UDP balancer that goes by the source address, which
// nftables does in the kernel: all that each router exports comes to one of
// them, under its own address, and everything is counted once.
func TestIngestsBehindBalancer(t *testing.T) {
	l := newLab(t)
	for n := range balancedRouters {
		l.must("ip", "-n", l.far, "addr", "add", balancedRouter(n).String()+"/24", "dev", "lab0")
	}
	bin, err := filepath.Abs("../bin/flattraffic")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(l.dir, "data")
	l.background(l.host, bin, "up", "--data", data, "--listen-http", "127.0.0.1:8080", "--listen-netflow", "127.0.0.1:20550", "--listen-sflow", "127.0.0.1:20560", "--log-level", "warn")
	l.until("FlatTraffic is ready", bin, "health")
	engine, ok := clickhouse.FindRunning(data)
	if !ok {
		t.Fatal("the embedded engine is not found")
	}
	ingests := []string{"1", "2"}
	for _, n := range ingests {
		l.background(l.host, bin, "ingest", "--clickhouse", engine.DSN, "--data", filepath.Join(l.dir, "ingest"+n), "--log-level", "warn",
			"--listen-netflow", hostV4+":2055"+n, "--listen-sflow", hostV4+":2056"+n, "--listen-http", "127.0.0.1:808"+n)
		l.until("ingest "+n+" is ready", "curl", "-sf", "http://127.0.0.1:808"+n+"/readyz")
	}
	l.in(l.host, "nft", "add table ip balancer; add chain ip balancer in { type nat hook prerouting priority dstnat; }; "+
		"add rule ip balancer in udp dport 2055 redirect to :jhash ip saddr mod 2 seed 0x5eed map { 0 : 20551, 1 : 20552 }")

	if err := exportBalanced(l); err != nil {
		t.Fatal(err)
	}
	query := l.query(bin, data)
	const all = balancedRouters * balancedDatagrams * balancedRecords
	for deadline := time.Now().Add(time.Minute); query("SELECT count() AS n FROM flows")[0]["n"].(float64) < all && time.Now().Before(deadline); {
		time.Sleep(200 * time.Millisecond)
	}
	want := map[string][2]int{}
	for n := range balancedRouters {
		var sum [2]int
		for i := range balancedDatagrams {
			for k := range balancedRecords {
				sum[0]++
				sum[1] += balancedBytes(n, i, k)
			}
		}
		want[balancedRouter(n).String()] = sum
	}
	got := map[string][2]int{}
	for _, row := range query("SELECT replaceOne(toString(exporter), '::ffff:', '') AS router, count() AS n, sum(bytes) AS b FROM flows WHERE direction = 'received' GROUP BY exporter") {
		got[row["router"].(string)] = [2]int{int(row["n"].(float64)), int(row["b"].(float64))}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records and bytes by router: got %v, want %v", got, want)
	}
	if rows := query("SELECT toString(event) AS event, sum(count) AS n FROM ledger WHERE exporter != toIPv6('::') AND event NOT IN ('datagrams', 'records') GROUP BY event"); len(rows) > 0 {
		t.Errorf("the ledger has %v, want datagrams and records only", rows)
	}
	for _, n := range ingests {
		received := 0.0
		for line := range strings.Lines(l.in(l.host, "curl", "-sf", "http://127.0.0.1:808"+n+"/metrics")) {
			if strings.HasPrefix(line, "flattraffic_datagrams_received_total") {
				var one float64
				if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &one); err != nil {
					t.Fatal(err)
				}
				received += one
			}
		}
		t.Logf("ingest %s received %.0f of %d datagrams", n, received, balancedRouters*balancedDatagrams)
		if received == 0 || int(received)%balancedDatagrams != 0 {
			t.Errorf("ingest %s received %.0f datagrams, want all %d of some routers", n, received, balancedDatagrams)
		}
	}
}
