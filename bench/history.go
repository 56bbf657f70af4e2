package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/schema"
)

// page is a question: how it is asked of the program, of raw flows, and of
// nfdump.
type page struct {
	name, path string
	raw        []string // SQL over flows, one after the other, nil = not asked
	nfdump     []string // its arguments, nil = it cannot
}

// rawHost is the host of one-host questions.
const rawHost = "192.168.42.31"

// rawCounters are the sums that every report has, over raw flows.
const rawCounters = `sumIf(bytes, direction = 'received') AS d, sumIf(bytes, direction = 'sent') AS u,
	sumIf(bytes, direction = 'internal'), sumIf(bytes, direction = 'unmatched'), sum(packets), count()`

// rawDays and rawServices end the questions by day and by protocol.
const (
	rawDays     = "SELECT toDate(end, '" + zone + "') AS day, " + rawCounters + " FROM flows WHERE counted"
	rawServices = "SELECT protocol, service, " + rawCounters + " FROM flows WHERE counted"
)

// pages are the reports over a period and over all years. {from} and {to} are
// dates. Raw flows are asked for all that a page shows of them: with the same
// sums, and of a host for its days, protocols and far ends, with all addresses
// that its device has had.
func pages(host string) []page {
	all := "?from={from}&to={to}"
	device := " AND host IN (SELECT address FROM addresses WHERE mac IN (SELECT mac FROM addresses WHERE address = toIPv6('" + host + "')))"
	return []page{
		{name: "overview, this period", path: "/"},
		{name: "days, this period", path: "/days"},
		{name: "hosts, this period", path: "/hosts"},
		{name: "protocols, this period", path: "/protocols"},
		{name: "networks, this period", path: "/networks"},
		{name: "one host, this period", path: "/hosts/" + host},
		{name: "history", path: "/history"},
		{name: "overview, all years", path: "/" + all},
		{
			name: "days, all years", path: "/days" + all,
			raw: []string{rawDays + " GROUP BY day"},
		},
		{
			name: "hosts, all years", path: "/hosts" + all,
			raw:    []string{"SELECT host, " + rawCounters + ", max(toDate(end, '" + zone + "')) FROM flows WHERE counted GROUP BY host ORDER BY d + u DESC"},
			nfdump: []string{"-s", "ip/bytes", "-n", "50"},
		},
		{
			name: "protocols, all years", path: "/protocols" + all,
			raw:    []string{rawServices + " GROUP BY protocol, service ORDER BY d + u DESC"},
			nfdump: []string{"-s", "port:p/bytes", "-n", "50"},
		},
		{
			name: "networks, all years", path: "/networks" + all,
			raw: []string{"SELECT n, " + strings.Replace(rawCounters, "count()", "sum(flows)", 1) + " FROM (SELECT host, direction, sum(bytes) AS bytes, sum(packets) AS packets, count() AS flows FROM flows WHERE counted GROUP BY host, direction) ARRAY JOIN ['192.168.42.0/24', '192.168.43.0/24', '2001:db8:5f00:a200::/56'] AS n WHERE isIPAddressInRange(replaceOne(IPv6NumToString(host), '::ffff:', ''), n) GROUP BY n"},
		},
		{name: "one host, all years", path: "/hosts/" + host + all},
		{
			name: "one host's far ends, all years", path: "/hosts/" + host + all + "&ends=all",
			raw: []string{
				"SELECT peer, " + rawCounters + ", count() OVER () FROM flows WHERE counted" + device + " GROUP BY peer ORDER BY d + u DESC LIMIT 100",
				rawDays + device + " GROUP BY day", rawServices + device + " GROUP BY protocol, service",
			},
			nfdump: []string{"-s", "ip/bytes", "-s", "port:p/bytes", "-n", "100", "ip " + host},
		},
	}
}

// figures are what was measured of a page over a history of some years.
type figures struct {
	cold, p50, p95, p99 time.Duration
	live50, live99      time.Duration // while flows come in; 0 = not measured
	raw, nfdump         time.Duration
}

// measureHistory measures the reports over the household's years, the longest
// history first; the shorter ones are what is left of it when its begin is
// cut off.
func measureHistory(ctx context.Context, b *bench) (string, error) {
	data := filepath.Join(b.work, "home")
	longest := b.years[len(b.years)-1]
	if err := b.write(ctx, data, "home", float64(longest), b.flowsPerDay); err != nil {
		return "", err
	}
	list := pages(rawHost)
	all := map[int][]figures{}
	var text, disk, start strings.Builder
	for _, years := range slices.Backward(b.years) {
		b.log.Info("measuring pages", "years", years)
		from := time.Now().AddDate(-years, 0, 0)
		if years != longest {
			if err := b.cut(ctx, data, from); err != nil {
				return "", err
			}
		}
		if err := b.mergeOver(ctx, data); err != nil {
			return "", err
		}
		// What is compared with raw flows and files is asked of one history: five
		// years, or the longest there is.
		compare := years == min(5, longest)
		f, err := b.measurePages(ctx, data, rawHost, list, from, compare)
		if err != nil {
			return "", err
		}
		all[years] = f
		if compare {
			if err := b.measureRest(ctx, data, years, f, list, &disk, &start); err != nil {
				return "", err
			}
		}
	}
	b.writePages(&text, list, all)
	return text.String() + "\n" + disk.String() + "\n" + start.String(), nil
}

// writePages writes the tables of the reports.
func (b *bench) writePages(w *strings.Builder, list []page, all map[int][]figures) {
	fmt.Fprintf(w, "## Reports\n\nThe made-up household with %d flows a day, through HTTP, %d requests one after the other; times until the whole page is\nthere. *Cold*: the first request of a started program whose files are not in the machine's cache; the overview of this\nperiod, by which the start is known to be over, has its cold time under “Start”. The others are of a\nprogram that has been asked before: statements over parts of tables that have not changed since are not asked again\n([reports](reports.md#asked-once)). Months and years that are over are one part each, as the engine makes them an hour after\nthe last write.\n", b.flowsPerDay, b.requests)
	header := []string{"page"}
	for _, y := range b.years {
		header = append(header, fmt.Sprintf("%d y p50", y), "p95", "p99", "cold")
	}
	first, last := b.years[0], b.years[len(b.years)-1]
	header = append(header, fmt.Sprintf("p50, %d y ÷ %d y", last, first))
	var rows, against [][]string
	for i, p := range list {
		row := []string{p.name}
		for _, y := range b.years {
			f := all[y][i]
			row = append(row, ms(f.p50), ms(f.p95), ms(f.p99), ms(f.cold))
			if f.raw > 0 {
				against = append(against, []string{p.name, ms(f.p50), ms(f.raw), times(f.p50, f.raw), ms(f.nfdump), times(f.p50, f.nfdump)})
			}
		}
		rows = append(rows, append(row, fmt.Sprintf("%.2f", float64(all[last][i].p50)/float64(all[first][i].p50))))
	}
	w.WriteString("\n" + table(header, rows))
	b.writeLive(w, list, all)
	fmt.Fprintf(w, "\nThe same questions over %d years asked of the raw flows in ClickHouse (for all that the page shows: of one host its days,\nprotocols and far ends, with all addresses of the device), and of nfdump over files of the same flows (a month of them, as\noften as there are months; of one host only the one address; “–” where nfdump has no such question):\n\n", min(5, last))
	w.WriteString(table([]string{"question", "page p50", "raw flows", "ratio", "nfdump", "ratio"}, against))
}

// writeLive writes the table of the reports that were asked while flows came in.
func (b *bench) writeLive(w *strings.Builder, list []page, all map[int][]figures) {
	years := min(5, b.years[len(b.years)-1])
	var rows [][]string
	for i, p := range list {
		if f := all[years]; len(f) > i && f[i].live50 > 0 {
			rows = append(rows, []string{p.name, ms(f[i].p50), ms(f[i].p99), ms(f[i].live50), ms(f[i].live99)})
		}
	}
	fmt.Fprintf(w, "\nThe same over %d years while four flows a second come in, so that the parts of now change every other moment and what\nwas known of them is not:\n\n", years)
	w.WriteString(table([]string{"page", "p50", "p99", "p50 with flows", "p99 with flows"}, rows))
}

// write makes a history unless it is there.
func (b *bench) write(ctx context.Context, data, profile string, years float64, perDay int) error {
	if _, err := os.Stat(data); err == nil {
		return nil
	}
	b.log.Info("writing the history", "profile", profile, "years", years, "flows_a_day", perDay)
	partial := data + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, b.binary, "demo", "--data", partial, "--zone", zone, "--profile", profile,
		"--years", strconv.FormatFloat(years, 'f', 4, 64), "--flows-per-day", strconv.Itoa(perDay)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("flattraffic demo: %w\n%s", err, out)
	}
	b.log.Info("written", "said", strings.TrimSpace(string(out)[strings.LastIndexByte(strings.TrimSpace(string(out)), '\n')+1:]))
	return os.Rename(partial, data)
}

// cut takes away what is before a time.
func (b *bench) cut(ctx context.Context, data string, from time.Time) error {
	return b.with(ctx, data, func(conn driver.Conn) error {
		for table, column := range map[string]string{
			"flows": "toDate(`end`)", "usage_15m": "toDate(bucket)", "ledger": "toDate(bucket)", "daily_total": "day", "daily_host": "day",
			"daily_protocol": "day", "daily_host_protocol": "day", "daily_peer": "day",
		} {
			if err := drop(ctx, conn, table, column, from); err != nil {
				return fmt.Errorf("cut %s: %w", table, err)
			}
		}
		return nil
	})
}

// mergeOver makes one part of each month and year of the rollups that is over,
// as the engine does by itself an hour after the last write to it.
func (b *bench) mergeOver(ctx context.Context, data string) error {
	return b.with(ctx, data, func(conn driver.Conn) error {
		var statements []string
		err := conn.QueryRow(ctx, `SELECT groupArray('OPTIMIZE TABLE ' || table || ' PARTITION ID \'' || partition_id || '\' FINAL') FROM
			(SELECT table, partition_id FROM system.parts WHERE active AND database = currentDatabase() AND table IN ('usage_15m', 'daily_total', 'daily_host', 'daily_protocol', 'daily_host_protocol', 'daily_peer', 'ledger')
			AND partition_id < leftUTF8(toString(toYYYYMM(now())), length(partition_id)) GROUP BY table, partition_id HAVING count() > 1)`).Scan(&statements)
		for _, statement := range statements {
			err = errors.Join(err, conn.Exec(ctx, statement))
		}
		return err
	})
}

// with runs work on the ClickHouse of a program that is started for it.
func (b *bench) with(ctx context.Context, data string, work func(driver.Conn) error) error {
	h, err := b.up(ctx, data)
	if err != nil {
		return err
	}
	conn, err := h.connect(ctx)
	if err != nil {
		return errors.Join(err, h.stop())
	}
	defer conn.Close()
	return errors.Join(work(conn), h.stop())
}

// drop drops whole partitions and deletes from the one that is cut.
func drop(ctx context.Context, conn driver.Conn, table, column string, from time.Time) error {
	rows, err := conn.Query(ctx, "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = currentDatabase() AND table = ?", table)
	if err != nil {
		return err
	}
	defer rows.Close()
	month, year := from.Format("200601"), from.Format("2006")
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		switch {
		case len(id) == len(month) && id < month || len(id) == len(year) && id < year:
			err = conn.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION ID '"+id+"'")
		case id == month || id == year:
			err = schema.DeleteRows(ctx, conn, table, id, column+" < toDate('"+from.Format(time.DateOnly)+"')")
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// measurePages asks for every page: once each of a cold program, then again
// and again of a warm one.
func (b *bench) measurePages(ctx context.Context, data, host string, list []page, from time.Time, compare bool) (all []figures, err error) {
	all = make([]figures, len(list))
	household, err := time.LoadLocation(zone)
	if err != nil {
		return nil, err
	}
	dates := strings.NewReplacer("{from}", from.In(household).AddDate(0, 0, 1).Format(time.DateOnly), "{to}", time.Now().In(household).AddDate(0, 0, 1).Format(time.DateOnly))
	for i, p := range list {
		if !b.cold {
			break
		}
		dropCaches()
		h, err := b.up(ctx, data)
		if err != nil {
			return nil, err
		}
		all[i].cold, err = h.get(ctx, dates.Replace(p.path))
		if err := errors.Join(err, h.stop()); err != nil {
			return nil, err
		}
	}
	h, err := b.up(ctx, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	conn, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for i, p := range list {
		took, err := b.again(ctx, h, dates.Replace(p.path))
		if err != nil {
			return nil, err
		}
		all[i].p50, all[i].p95, all[i].p99 = percentile(took, .5), percentile(took, .95), percentile(took, .99)
		if !compare {
			continue
		}
		for _, raw := range p.raw {
			took, err := query(ctx, conn, raw)
			if err != nil {
				return nil, err
			}
			all[i].raw += took
		}
	}
	if !compare {
		return all, nil
	}
	stop, err := trickle(ctx, h.flow, host)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for i, p := range list {
		took, err := b.again(ctx, h, dates.Replace(p.path))
		if err != nil {
			return nil, err
		}
		all[i].live50, all[i].live99 = percentile(took, .5), percentile(took, .99)
	}
	return all, nil
}

// again asks for a page again and again.
func (b *bench) again(ctx context.Context, h *house, path string) ([]time.Duration, error) {
	took := make([]time.Duration, 0, b.requests)
	for n := -3; n < b.requests; n++ { // the first few warm up
		d, err := h.get(ctx, path)
		if err != nil {
			return nil, err
		}
		if n >= 0 {
			took = append(took, d)
		}
	}
	return took, nil
}

// trickle sends flows of a host until the returned function is called: four a
// second, twice as many as a household has.
func trickle(ctx context.Context, to, host string) (stop func() error, err error) {
	socket, err := net.Dial("udp4", to)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		local, near := netip.MustParseAddr(host), 40_000
		for sequence := uint32(0); ; sequence++ {
			m := decodetest.Message{Version: 9, Uptime: replayUptime * time.Millisecond, Time: time.Now(), Sequence: sequence, Domain: 1}
			m.Templates(replayTemplate)
			remote := netip.AddrFrom4([4]byte{203, 0, 113, byte(sequence)})
			_, err := socket.Write(m.Data(replayTemplate,
				replayTemplate.Record(local, remote, replayUptime, replayUptime-2000, 1500, 3, 1, 2, near, 443, 6, 27, 0),
				replayTemplate.Record(remote, local, replayUptime, replayUptime-2000, 90_000, 70, 2, 1, 443, near, 6, 27, 0)).Bytes())
			select {
			case <-ctx.Done():
				done <- errors.Join(err, socket.Close())
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return func() error {
		cancel()
		return <-done
	}, nil
}

// dropCaches has the machine forget what it holds of files, where it may.
func dropCaches() {
	_ = exec.Command("sync").Run()
	_ = os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0o200) // without the right, cold is warm
}

// query runs a query to its end.
func query(ctx context.Context, conn driver.Conn, sql string) (time.Duration, error) {
	began := time.Now()
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return time.Since(began), rows.Err()
}
