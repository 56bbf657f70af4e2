package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
)

// zone is that of the households that are measured.
const zone = "Europe/Berlin"

// ingested is what became of flows that were sent.
type ingested struct {
	sent
	usage

	stored uint64        // flows that arrived in every table, or file
	wrong  string        // what does not agree, empty = nothing
	behind time.Duration // from the last datagram to the last row
}

func (i ingested) lost() float64 { return 1 - float64(i.stored)/float64(i.flows) }

// measureIngest sends the same datagrams to the program, to nfcapd and along
// the plain path, each at half the rate again until nothing is lost.
func measureIngest(ctx context.Context, b *bench) (string, error) {
	r := newReplay()
	var rows [][]string
	for _, way := range []struct {
		name, processes string
		run             func(context.Context, *bench, *replay, int) (ingested, error)
	}{
		{"flattraffic: raw and all rollups", "flattraffic, its ClickHouse", ingestOurs},
		{"nfcapd: files", "nfcapd", ingestNfcapd},
		{"decode, JSON, clickhouse-client: raw only", "decoder, its ClickHouse, client", ingestPlain},
	} {
		for rate := b.rate; ; rate /= 2 {
			i, err := way.run(ctx, b, r, rate)
			if err != nil {
				return "", fmt.Errorf("%s: %w", way.name, err)
			}
			b.log.Info("sent", "to", way.name, "rate", int(i.rate()), "flows", i.flows, "stored", i.stored, "wrong", i.wrong, "behind", i.behind, "cpu", i.cpu, "rss", i.rss)
			rows = append(rows, i.row(way.name, way.processes))
			if i.lost() == 0 && i.wrong == "" || rate < 10_000 {
				break
			}
		}
	}
	return fmt.Sprintf(`## Ingest

NetFlow v9 of one router with %d hosts and %d far ends, both directions of each conversation, %d records a datagram, sent for %s at a steady rate over
loopback; where some were lost, again at half the rate. *Behind*: from the last datagram until the last flow is in every
table. Processor time is that of the whole run, in seconds of one core for a million flows; memory is the most that each
process held.

%s`, replayHosts, replayPeers, perDatagram, b.duration,
		table([]string{"way", "flows/s", "lost", "behind", "processes", "core s / M flows", "memory"}, rows)), nil
}

func (i ingested) row(name, processes string) []string {
	var cpu, rss []string
	for n := range i.cpu {
		cpu = append(cpu, fmt.Sprintf("%.2f", i.cpu[n].Seconds()/float64(i.flows)*1e6))
		rss = append(rss, mega(i.rss[n]))
	}
	lost := "none"
	if l := i.lost(); l != 0 {
		lost = fmt.Sprintf("%.1f %%", 100*l)
	}
	if i.wrong != "" {
		lost = i.wrong
	}
	return []string{name, strconv.Itoa(int(i.rate())), lost, ms(i.behind), processes, strings.Join(cpu, ", "), strings.Join(rss, ", ")}
}

// ingestOurs offers flows to flattraffic up and waits until all are in flows
// and in every rollup.
func ingestOurs(ctx context.Context, b *bench, r *replay, rate int) (i ingested, err error) {
	data := filepath.Join(b.work, "ingest")
	if err := os.RemoveAll(data); err != nil {
		return i, err
	}
	h, err := b.up(ctx, data)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, h.stop(), os.RemoveAll(data)) }()
	conn, err := h.connect(ctx)
	if err != nil {
		return i, err
	}
	defer conn.Close()
	stop := watch(h.family())
	if i.sent, err = r.blast(ctx, h.flow, rate, b.duration); err != nil {
		return i, err
	}
	i.stored, i.behind, err = arrival(ctx, i.flows, func() (n uint64, err error) {
		// The table that the last view fills.
		err = conn.QueryRow(ctx, "SELECT least((SELECT sum(flows) FROM daily_total), (SELECT sum(flows) FROM daily_peer), (SELECT sum(flows) FROM daily_host_protocol))").Scan(&n)
		return n, err
	})
	if err != nil {
		return i, err
	}
	i.usage = stop()
	if i.wrong, err = disagreement(ctx, conn, i); err != nil || i.wrong != "" {
		return i, err
	}
	i.wrong, err = unaccounted(ctx, conn, i)
	return i, err
}

// unaccounted says where the ledger, which comes some seconds later, differs
// from what was stored and lost.
func unaccounted(ctx context.Context, conn driver.Conn, i ingested) (string, error) {
	var records, dropped uint64
	_, _, err := arrival(ctx, i.stored, func() (uint64, error) {
		err := conn.QueryRow(ctx, `SELECT toUInt64(sumIf(count, event = 'records') - sumIf(count, event = 'spool_drops')),
			sumIf(count, event IN ('kernel_drops', 'queue_drops', 'spool_drops', 'lost_records')) FROM ledger`).Scan(&records, &dropped)
		return records, err
	})
	if records != i.stored || (dropped == 0) != (i.lost() == 0) {
		return fmt.Sprintf("the ledger has %d records and %d drops, stored are %d of %d", records, dropped, i.stored, i.flows), err
	}
	return "", err
}

// arrival waits until so many flows are counted, or no more come for ten
// seconds.
func arrival(ctx context.Context, want uint64, count func() (uint64, error)) (n uint64, took time.Duration, err error) {
	began := time.Now()
	last, moved := uint64(0), began
	for ctx.Err() == nil {
		if n, err = count(); err != nil || n >= want {
			break
		}
		if n != last {
			last, moved = n, time.Now()
		}
		if time.Since(moved) > 10*time.Second {
			return n, moved.Sub(began), nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return n, time.Since(began), errors.Join(err, ctx.Err())
}

// disagreement compares every table with what was stored.
func disagreement(ctx context.Context, conn driver.Conn, i ingested) (string, error) {
	for _, t := range []string{"flows", "usage_15m", "daily_total", "daily_host", "daily_protocol", "daily_host_protocol", "daily_peer"} {
		sums := "sum(flows), sum(received + sent)"
		if t == "flows" {
			sums = "count(), sum(bytes)"
		}
		var flows, octets uint64
		if err := conn.QueryRow(ctx, "SELECT "+sums+" FROM "+t).Scan(&flows, &octets); err != nil {
			return "", err
		}
		if flows != i.stored || flows == i.flows && octets != i.octets {
			return fmt.Sprintf("%s has %d flows and %d bytes of %d and %d", t, flows, octets, i.stored, i.octets), nil
		}
	}
	return "", nil
}

// connect opens a connection to the house's ClickHouse.
func (h *house) connect(ctx context.Context) (driver.Conn, error) {
	r, ok := clickhouse.FindRunning(h.data)
	if !ok {
		return nil, fmt.Errorf("no ClickHouse runs on %s", h.data)
	}
	return clickhouse.Open(ctx, r.DSN)
}

var nfcapdFlows = regexp.MustCompile(`Flows: (\d+)`)

// ingestNfcapd offers flows to nfcapd with as large a socket buffer as ours.
func ingestNfcapd(ctx context.Context, b *bench, r *replay, rate int) (i ingested, err error) {
	dir := filepath.Join(b.work, "nfcapd")
	i, err = b.nfcapd(ctx, dir, func(to string) (sent, error) { return r.blast(ctx, to, rate, b.duration) })
	return i, errors.Join(err, os.RemoveAll(dir))
}

// nfcapd has nfcapd write files of what send sends.
func (b *bench) nfcapd(ctx context.Context, dir string, send func(to string) (sent, error)) (i ingested, err error) {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o750)); err != nil {
		return i, err
	}
	port, err := freePort("udp")
	if err != nil {
		return i, err
	}
	p, err := b.start(ctx, "nfcapd", "-b", "127.0.0.1", "-p", strconv.Itoa(port), "-w", dir, "-t", "3600", "-B", strconv.Itoa(32<<20))
	if err != nil {
		return i, fmt.Errorf("%w (Debian: apt-get install nfdump)", err)
	}
	time.Sleep(time.Second)
	stop := watch(p.family())
	s, err := send("127.0.0.1:" + strconv.Itoa(port))
	time.Sleep(2 * time.Second)
	i = ingested{sent: s, usage: stop()}
	if err := errors.Join(err, p.stop()); err != nil {
		return i, err
	}
	log, err := os.ReadFile(p.out.Name())
	for _, m := range nfcapdFlows.FindAllSubmatch(log, -1) {
		n, _ := strconv.ParseUint(string(m[1]), 10, 64)
		i.stored += n
	}
	return i, err
}

// ingestPlain decodes into JSON that clickhouse-client inserts into a table
// without rollups.
func ingestPlain(ctx context.Context, b *bench, r *replay, rate int) (i ingested, err error) {
	data := filepath.Join(b.work, "plain")
	if err := os.RemoveAll(data); err != nil {
		return i, err
	}
	h, err := b.up(ctx, data)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, h.stop(), os.RemoveAll(data)) }()
	conn, err := h.connect(ctx)
	if err != nil {
		return i, err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, plainTable); err != nil {
		return i, err
	}
	port, err := freePort("udp")
	if err != nil {
		return i, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	decoder, client, err := b.plainPipe(ctx, h, address)
	if err != nil {
		return i, err
	}
	stop := watch(append([]int{decoder.Process.Pid}, append(h.family()[1:], client.Process.Pid)...))
	if i.sent, err = r.blast(ctx, address, rate, b.duration); err != nil {
		return i, err
	}
	ended := time.Now()
	time.Sleep(time.Second)
	_ = decoder.Process.Signal(os.Interrupt)
	err = errors.Join(decoder.Wait(), client.Wait())
	i.behind, i.usage = time.Since(ended), stop()
	for n, c := range map[int]*exec.Cmd{0: decoder, len(i.cpu) - 1: client} { // they have ended, and say it themselves
		i.cpu[n] = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	return i, errors.Join(err, conn.QueryRow(ctx, "SELECT count() FROM plain").Scan(&i.stored))
}

// plainPipe starts the decoder and, behind it, clickhouse-client.
func (b *bench) plainPipe(ctx context.Context, h *house, address string) (decoder, client *exec.Cmd, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	running, ok := clickhouse.FindRunning(h.data)
	if !ok {
		return nil, nil, errors.New("no ClickHouse runs")
	}
	opts, err := clickhouse.ParseDSN(running.DSN)
	if err != nil {
		return nil, nil, err
	}
	_, port, _ := strings.Cut(running.TCPAddr, ":")
	decoder = exec.CommandContext(ctx, self, plainCommand, address)
	decoder.Stderr = os.Stderr
	client = exec.CommandContext(ctx, "clickhouse-client", "--host", "127.0.0.1", "--port", port, "--user", opts.Auth.Username,
		"--password", opts.Auth.Password, "--database", opts.Auth.Database, "--query", "INSERT INTO plain FORMAT JSONEachRow")
	client.Stderr = os.Stderr
	if client.Stdin, err = decoder.StdoutPipe(); err != nil {
		return nil, nil, err
	}
	if err := decoder.Start(); err != nil {
		return nil, nil, err
	}
	if err := client.Start(); err != nil {
		return nil, nil, fmt.Errorf("%w (Debian: apt-get install clickhouse-client)", err)
	}
	time.Sleep(time.Second)
	return decoder, client, nil
}
