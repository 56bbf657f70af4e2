package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	cli "github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/ingest"
)

// findings is the error of a doctor's visit that found something: already
// printed, exit code 1.
type findings int

func (f findings) Error() string { return fmt.Sprintf("%d findings", int(f)) }

func (p *program) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check configuration, ClickHouse, exporters, clock and sockets; each finding with its fix; exit 1 if any",
		Flags: flags(options()),
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return p.doctor(c)
		},
	}
}

// visit is one run of the doctor.
type visit struct {
	p        *program
	cfg      config
	findings int
}

func (v *visit) good(format string, args ...any) {
	fmt.Fprintf(v.p.stdout, "ok    %s\n", fmt.Sprintf(format, args...))
}

// bad prints a finding and its fix.
func (v *visit) bad(what, fix string) {
	v.findings++
	fmt.Fprintf(v.p.stdout, "BAD   %s\n      fix: %s\n", what, fix)
}

func (p *program) doctor(c *cli.Context) error {
	e, err := loadConfig(c)
	if err != nil {
		return err
	}
	v := &visit{p: p, cfg: e.config}
	v.good("configuration")
	v.dataDirectory()
	v.sockets(c.Context)
	v.clickhouse(c.Context)
	if v.findings > 0 {
		return findings(v.findings)
	}
	return nil
}

// lowDisk is how much room there should be for data and spool.
const lowDisk = 2e9

func (v *visit) dataDirectory() {
	if err := os.MkdirAll(v.cfg.Data, 0o700); err != nil {
		v.bad(fmt.Sprintf("the data directory %s cannot be made: %s", v.cfg.Data, err), "choose another with --data, or give this user the right to write there")
		return
	}
	probe := filepath.Join(v.cfg.Data, ".doctor")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		v.bad(fmt.Sprintf("the data directory %s cannot be written: %s", v.cfg.Data, err), "chown it to the user that runs flattraffic, or choose another with --data")
		return
	}
	_ = os.Remove(probe) // an empty file left behind harms nobody
	var fs unix.Statfs_t
	if err := unix.Statfs(v.cfg.Data, &fs); err == nil {
		if free := fs.Bavail * uint64(fs.Bsize); free < lowDisk {
			v.bad(fmt.Sprintf("only %.1f GB are free in %s", float64(free)/1e9, v.cfg.Data), "make room: ClickHouse stops taking flows on a full disk")
			return
		}
	}
	v.good("data directory %s", v.cfg.Data)
}

// sockets checks that the ports can be had (by us, or that we have them) and
// that the kernel allows a receive buffer of 4 MiB.
func (v *visit) sockets(ctx context.Context) {
	running := ingest.Running(v.cfg.Data)
	var lc net.ListenConfig
	for _, addr := range append(append([]string{}, v.cfg.ListenNetFlow...), v.cfg.ListenSFlow...) {
		conn, err := lc.ListenPacket(ctx, "udp", addr)
		switch {
		case err == nil:
			conn.Close()
			v.good("UDP %s is free", addr)
		case errors.Is(err, syscall.EADDRINUSE) && running:
			v.good("UDP %s is in use, by the flattraffic that runs on %s", addr, v.cfg.Data)
		case errors.Is(err, syscall.EADDRINUSE):
			v.bad(fmt.Sprintf("UDP %s is in use by another program, or by a flattraffic that runs on another data directory", addr), "stop it (ss -lunp shows which), give the doctor the same --data, or choose another port with --listen-netflow or --listen-sflow")
		default:
			v.bad(fmt.Sprintf("UDP %s: %s", addr, err), "choose another address with --listen-netflow or --listen-sflow")
		}
	}
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	var rmem int
	if _, scanErr := fmt.Sscan(string(text), &rmem); err == nil && scanErr == nil && rmem < 4<<20 && os.Geteuid() != 0 {
		v.bad(fmt.Sprintf("the kernel allows receive buffers of %d kB only: bursts of flows may be lost", rmem>>10), "sysctl -w net.core.rmem_max=4194304, and the same line in /etc/sysctl.d/")
	} else {
		v.good("receive buffers")
	}
}

// database checks reachability, schema, exporters and their clocks.
func (v *visit) clickhouse(ctx context.Context) {
	if v.cfg.ClickHouse == "" {
		if _, ok := clickhouse.FindRunning(v.cfg.Data); !ok {
			v.bad("nothing runs on "+v.cfg.Data+" and no --clickhouse is given, so there are no flows to look at", "start it: flattraffic up")
			return
		}
	}
	before := v.findings
	db, err := v.p.openDatabase(ctx, v.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		v.bad(err.Error(), "see the message; flattraffic config show prints what is configured")
		return
	}
	defer func() { _ = db.stop() }() // the visit is over; nothing was written
	for _, s := range db.Away(ctx) {
		v.bad(db.Label(s)+" does not answer", "start it, or correct where the cluster's definition or --cluster-hosts say that it is; its flows wait in the ingest's spool")
	}
	if v.findings > before {
		return
	}
	v.good("ClickHouse answers")
	if err := db.Check(ctx); err != nil {
		v.bad(err.Error(), "flattraffic schema apply")
		return
	}
	v.good("schema is current")
	if db.Clustered() {
		v.good("cluster %s, %s", v.cfg.Cluster, plural(len(db.Shards), "shard"))
	}
	v.clock(ctx, db)
	v.exporters(ctx, db)
}

// clockSlack is how far clocks may be apart.
const clockSlack = 5 * time.Second

func (v *visit) clock(ctx context.Context, db *database) {
	var there time.Time
	if err := db.Home.QueryRow(ctx, "SELECT now64(3, 'UTC')").Scan(&there); err != nil {
		v.bad("ClickHouse does not say its time: "+err.Error(), "look at its log")
		return
	}
	if off := time.Since(there).Abs(); off > clockSlack {
		v.bad(fmt.Sprintf("the clocks of this machine and of ClickHouse are %s apart", off.Round(time.Second)), "run an NTP client on both")
		return
	}
	v.good("clock")
}

const exportersSQL = `
SELECT toString(exporter), last_seen, clock_offset_ms, templates, origin, active_timeout_s
FROM exporter_state FINAL
WHERE NOT deleted
ORDER BY last_seen DESC
LIMIT 50`

func (v *visit) exporters(ctx context.Context, db *database) {
	rows, err := db.Home.Query(ctx, exportersSQL)
	if err != nil {
		v.bad("exporters cannot be read: "+err.Error(), "flattraffic schema apply")
		return
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var (
			address, origin   string
			last              time.Time
			offset            int64
			templates, active uint32
		)
		if err := rows.Scan(&address, &last, &offset, &templates, &origin, &active); err != nil {
			v.bad("exporters cannot be read: "+err.Error(), "flattraffic schema apply")
			return
		}
		seen++
		v.exporter(strings.TrimPrefix(address, "::ffff:"), origin, last, time.Duration(offset)*time.Millisecond, templates, active)
	}
	if err := rows.Err(); err != nil {
		v.bad("exporters cannot be read: "+err.Error(), "look at ClickHouse's log")
	}
	if seen == 0 {
		v.bad("no exporter has sent anything yet", fmt.Sprintf("point a router at this machine, NetFlow or IPFIX to UDP %s, sFlow to %s (docs/routers.md), and let the firewall pass it",
			strings.Join(v.cfg.ListenNetFlow, ", "), strings.Join(v.cfg.ListenSFlow, ", ")))
	}
}

func (v *visit) exporter(address, origin string, last time.Time, offset time.Duration, templates, active uint32) {
	before := v.findings
	if quiet := time.Since(last); quiet > 15*time.Minute {
		v.bad(fmt.Sprintf("exporter %s has been silent since %s", address, last.Local().Format("2 Jan 15:04")), "look whether it still exports, and to this machine's address")
	}
	if offset.Abs() > time.Minute {
		v.bad(fmt.Sprintf("exporter %s has its clock off by %s", address, span(offset.Abs())), "run an NTP client on it")
	}
	if templates == 0 && (origin == "netflow9" || origin == "ipfix") {
		v.bad("exporter "+address+" has sent no template yet", "set its template refresh to a minute or so; flows wait for it")
	}
	if active > 300 {
		v.bad(fmt.Sprintf("exporter %s reports flows up to %s long", address, time.Duration(active)*time.Second), "set its active timeout to 60 s: the days stay exact, but today's figures lag behind")
	}
	if v.findings == before {
		v.good("exporter %s (%s)", address, origin)
	}
}

// span writes a length of time, in days where it is long.
func span(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
