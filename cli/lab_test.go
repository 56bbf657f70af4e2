//go:build lab

package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The lab is two network namespaces joined by a veth pair: a far end, and the
// host under observation, in which exporter and FlatTraffic run too. Offloads
// are off so that a packet in the kernel is a packet on the wire, neighbours
// are static and IPv6 housekeeping is off so that every counted packet is ours.
type lab struct {
	t         *testing.T
	far, host string // namespaces
	dir       string
}

const (
	farV4, farV6   = "10.99.0.1", "fd99::1"
	hostV4, hostV6 = "10.99.0.2", "fd99::2"
	padPort        = "9" // packets to it only push others out of libpcap's blocks
)

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the lab makes network namespaces: run make lab as root")
	}
	id := strconv.Itoa(os.Getpid())
	l := &lab{t: t, far: "ftfar" + id, host: "fthost" + id, dir: t.TempDir()}
	t.Cleanup(func() {
		for _, ns := range []string{l.far, l.host} {
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	})
	for _, ns := range []string{l.far, l.host} {
		l.must("ip", "netns", "add", ns)
		for _, key := range []string{"default.accept_dad=0", "all.accept_dad=0", "default.router_solicitations=0", "default.autoconf=0", "default.addr_gen_mode=1"} {
			l.must("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf."+key)
		}
		l.must("ip", "-n", ns, "link", "set", "lo", "up")
	}
	l.must("ip", "link", "add", "lab0", "netns", l.far, "address", "02:00:00:00:00:0a", "type", "veth",
		"peer", "name", "lab0", "netns", l.host, "address", "02:00:00:00:00:0b")
	for ns, addr := range map[string][2]string{l.far: {farV4, farV6}, l.host: {hostV4, hostV6}} {
		l.must("ip", "netns", "exec", ns, "ethtool", "-K", "lab0", "tso", "off", "gso", "off", "gro", "off", "tx", "off")
		l.must("ip", "-n", ns, "addr", "add", addr[0]+"/24", "dev", "lab0")
		l.must("ip", "-n", ns, "addr", "add", addr[1]+"/64", "dev", "lab0", "nodad")
		l.must("ip", "-n", ns, "link", "set", "lab0", "up")
	}
	for _, a := range []string{hostV4, hostV6} {
		l.must("ip", "-n", l.far, "neigh", "add", a, "lladdr", "02:00:00:00:00:0b", "dev", "lab0", "nud", "permanent")
	}
	for _, a := range []string{farV4, farV6} {
		l.must("ip", "-n", l.host, "neigh", "add", a, "lladdr", "02:00:00:00:00:0a", "dev", "lab0", "nud", "permanent")
	}
	time.Sleep(time.Second)
	return l
}

func (l *lab) must(name string, args ...string) string {
	l.t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		l.t.Fatalf("%s %s: %s\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

func (l *lab) in(ns string, args ...string) string {
	l.t.Helper()
	return l.must("ip", append([]string{"netns", "exec", ns}, args...)...)
}

// background starts a program in a namespace; stop ends it by its pid.
func (l *lab) background(ns string, args ...string) (stop func(syscall.Signal)) {
	l.t.Helper()
	log, err := os.CreateTemp(l.dir, filepath.Base(args[0])+"-*.log")
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...) // ip execs, so the pid stays
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func(s syscall.Signal) {
		_ = cmd.Process.Signal(s)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			l.t.Errorf("%s does not end on %s", args[0], s)
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	l.t.Cleanup(func() {
		stop(syscall.SIGKILL)
		if l.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			l.t.Logf("%s said:\n%s", args[0], text)
		}
	})
	return stop
}

// counter is what the interface's own counters or FlatTraffic say of the host.
type counter struct{ receivedBytes, receivedPackets, sentBytes, sentPackets int64 }

func (a counter) minus(b counter) counter {
	return counter{a.receivedBytes - b.receivedBytes, a.receivedPackets - b.receivedPackets, a.sentBytes - b.sentBytes, a.sentPackets - b.sentPackets}
}

const ethernetHeader = 14

// interfaceCounter reads the interface's counters, less the Ethernet headers.
func (l *lab) interfaceCounter() counter {
	l.t.Helper()
	type side struct{ Bytes, Packets int64 }
	var links []struct {
		Stats64 struct{ Rx, Tx side } `json:"stats64"`
	}
	if err := json.Unmarshal([]byte(l.must("ip", "-n", l.host, "-j", "-s", "link", "show", "lab0")), &links); err != nil {
		l.t.Fatal(err)
	}
	s := links[0].Stats64
	return counter{
		s.Rx.Bytes - ethernetHeader*s.Rx.Packets, s.Rx.Packets,
		s.Tx.Bytes - ethernetHeader*s.Tx.Packets, s.Tx.Packets,
	}
}

// traffic makes TCP, UDP and ICMP both ways, and an HTTP download.
func (l *lab) traffic(families ...string) {
	l.t.Helper()
	stopServer := l.background(l.host, "iperf3", "-s", "-p", "5201")
	stopWeb := l.background(l.host, "python3", "-m", "http.server", "8000", "--bind", "::", "--directory", l.webRoot())
	time.Sleep(time.Second)
	for _, to := range families {
		l.in(l.far, "iperf3", "-c", to, "-p", "5201", "-b", "40M", "-n", "6M")
		l.in(l.far, "iperf3", "-c", to, "-p", "5201", "-b", "40M", "-n", "3M", "-R")
		l.in(l.far, "iperf3", "-c", to, "-p", "5201", "-u", "-b", "40M", "-l", "1200", "-n", "2M")
		l.in(l.far, "curl", "-sS", "-o", "/dev/null", "http://"+net.JoinHostPort(to, "8000")+"/file")
		l.in(l.far, "ping", "-q", "-c", "20", "-i", "0.02", "-s", "500", to)
	}
	time.Sleep(2 * time.Second) // the last ACKs and FINs
	stopServer(syscall.SIGKILL)
	stopWeb(syscall.SIGKILL)
}

func (l *lab) webRoot() string {
	dir := filepath.Join(l.dir, "web")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), make([]byte, 1<<20), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return dir
}

// pad sends packets that nobody counts: libpcap hands packets over in blocks,
// and only full ones.
func (l *lab) pad() {
	l.t.Helper()
	l.in(l.far, "python3", "-c", `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3000):
    s.sendto(b"x" * 1400, ("`+hostV4+`", `+padPort+`))
    if i % 50 == 0: time.sleep(0.005)`)
	time.Sleep(2 * time.Second)
}

// flattraffic starts the program in the host's namespace, with only the host's
// own addresses as local networks.
func (l *lab) flattraffic() (query func(sql string) []map[string]any) {
	l.t.Helper()
	bin, err := filepath.Abs("../bin/flattraffic")
	if err != nil {
		l.t.Fatal(err)
	}
	data := filepath.Join(l.dir, "data")
	l.background(l.host, bin, "up", "--data", data, "--listen-http", "127.0.0.1:8080", "--log-level", "warn")
	l.until("FlatTraffic is ready", bin, "health")
	l.in(l.host, bin, "sql", "--data", data, "--write", `INSERT INTO networks (network, name) VALUES ('`+hostV4+`/32', 'v4'), ('`+hostV6+`/128', 'v6')`)
	time.Sleep(7 * time.Second) // the ingest reads settings every five seconds
	return l.query(bin, data)
}

// until waits until a command in the host's namespace succeeds.
func (l *lab) until(what string, args ...string) {
	l.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for exec.Command("ip", append([]string{"netns", "exec", l.host}, args...)...).Run() != nil {
		if time.Now().After(deadline) {
			l.t.Fatalf("waited a minute until %s", what)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// query asks the program whose data directory it is.
func (l *lab) query(bin, data string) func(sql string) []map[string]any {
	return func(sql string) []map[string]any {
		l.t.Helper()
		cmd := exec.Command("ip", "netns", "exec", l.host, bin, "sql", "--data", data, "--format", "json", sql)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			l.t.Fatalf("%s: %s\n%s", sql, err, stderr.String())
		}
		var rows []map[string]any
		if err := json.Unmarshal(out, &rows); err != nil {
			l.t.Fatalf("%s: %s\n%s", sql, err, out)
		}
		return rows
	}
}

func (l *lab) counted(query func(string) []map[string]any) counter {
	l.t.Helper()
	var c counter
	for _, row := range query(`SELECT toString(direction) AS d, sum(bytes) AS b, sum(packets) AS p FROM flows
		WHERE NOT (protocol = 17 AND host_port = ` + padPort + `) GROUP BY d`) {
		b, p := int64(row["b"].(float64)), int64(row["p"].(float64))
		switch row["d"] {
		case "received":
			c.receivedBytes, c.receivedPackets = b, p
		case "sent":
			c.sentBytes, c.sentPackets = b, p
		default:
			l.t.Errorf("%d bytes are %s, want all of them received or sent", b, row["d"])
		}
	}
	return c
}

func TestSoftflowdMatchesInterfaceCounters(t *testing.T) {
	for _, tt := range []struct {
		name, version string
		families      []string // v5 carries IPv4 only
	}{
		{"NetFlow v5, IPv4", "5", []string{hostV4}},
		{"NetFlow v9", "9", []string{hostV4, hostV6}},
		{"IPFIX", "10", []string{hostV4, hostV6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			query := l.flattraffic()
			control := filepath.Join(l.dir, "softflowd.ctl")
			l.background(l.host, "python3", "-c", "import socket,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('"+hostV4+"',"+padPort+"))\ntime.sleep(600)")
			l.background(l.host, "softflowd", "-d", "-i", "lab0", "-n", "127.0.0.1:2055", "-v", tt.version, "-6",
				"-t", "maxlife=3600", "-t", "tcp=3600", "-t", "udp=3600", "-t", "icmp=3600", "-t", "general=3600", "-t", "expint=3600",
				"-p", filepath.Join(l.dir, "softflowd.pid"), "-c", control)
			time.Sleep(1500 * time.Millisecond)
			before := l.interfaceCounter()
			l.traffic(tt.families...)
			want := l.interfaceCounter().minus(before)
			l.pad()
			l.in(l.host, "softflowctl", "-c", control, "expire-all")
			time.Sleep(4 * time.Second)
			got := l.counted(query)
			t.Logf("interface: %+v", want)
			t.Logf("counted:   %+v", got)
			if got != want {
				t.Errorf("got %+v, want the interface's %+v", got, want)
			}
			for _, row := range query(`SELECT sum(received) AS r, sum(sent) AS s FROM daily_total`) {
				raw := query(`SELECT sumIf(bytes, direction = 'received') AS r, sumIf(bytes, direction = 'sent') AS s FROM flows`)[0]
				if fmt.Sprint(row) != fmt.Sprint(raw) {
					t.Errorf("daily totals %v, want raw %v", row, raw)
				}
			}
		})
	}
}

func TestSFlowMatchesInterfaceCounters(t *testing.T) {
	l := newLab(t)
	query := l.flattraffic()
	conf := filepath.Join(l.dir, "pmacctd.conf")
	text := strings.Join([]string{
		"daemonize: false", "pcap_interface: lab0", "pcap_filter: not udp port " + padPort, "plugins: sfprobe",
		"sfprobe_receiver: 127.0.0.1:6343", "sfprobe_agentip: " + hostV4, "sampling_rate: 1",
		"plugin_buffer_size: 1024000", "plugin_pipe_size: 102400000",
	}, "\n") + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	l.background(l.host, "python3", "-c", "import socket,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('"+hostV4+"',"+padPort+"))\ntime.sleep(600)")
	stop := l.background(l.host, "pmacctd", "-f", conf)
	time.Sleep(2 * time.Second)
	before := l.interfaceCounter()
	l.traffic(hostV4, hostV6)
	want := l.interfaceCounter().minus(before)
	l.pad()
	time.Sleep(3 * time.Second)
	stop(syscall.SIGINT)
	time.Sleep(5 * time.Second)
	got := l.counted(query)
	t.Logf("interface: %+v", want)
	t.Logf("counted:   %+v", got)
	if got != want {
		t.Errorf("got %+v, want the interface's %+v", got, want)
	}
}
