package deliver_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/ingest/deliver"
)

// Flows that come while ClickHouse is away wait on disk, through a restart, and
// are then delivered before newer ones, each once.
func TestSpoolOutlivesARestart(t *testing.T) {
	conn, dial := database(t)
	cfg := deliver.Config{Dir: t.TempDir()}
	r := rand.New(rand.NewPCG(5, 6))
	var want sums

	first := run(t, cfg, deliver.Deps{Dial: away})
	for i := range 5 {
		rows := randomRows(t, r, 40, newYear.Add(48*time.Hour))
		want.add(rows)
		first.Append(rows)
		waitFor(t, "a batch file", func() bool { return len(spoolFiles(t, cfg.Dir, ".batch")) > i })
	}
	if h := first.Health(); h.AwaySince.IsZero() || h.SpoolBytes == 0 || h.Cause == nil {
		t.Errorf("got health %+v, want one that says ClickHouse is away", h)
	}
	first.stop()
	files := spoolFiles(t, cfg.Dir, ".batch")
	if len(files) == 0 {
		t.Fatal("nothing was spooled")
	}

	var inserts atomic.Int64
	second := run(t, cfg, deliver.Deps{Dial: dial, Inserted: func(string, int, time.Duration) { inserts.Add(1) }})
	rows := randomRows(t, r, 40, newYear)
	want.add(rows)
	second.Append(rows)
	waitFor(t, "the spool to drain", func() bool { return second.Health().SpoolBatches == 0 })
	second.stop()
	check(t, conn, want)
	// The small batches of a month, and the new one, went together.
	if got := int(inserts.Load()); got >= len(files) {
		t.Errorf("got %d inserts for %d files, want fewer", got, len(files))
	}
	if h := second.Health(); !h.AwaySince.IsZero() || h.SpoolBytes != 0 {
		t.Errorf("got health %+v, want none waiting", h)
	}
	if left := spoolFiles(t, cfg.Dir, ".batch"); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// A full spool keeps the oldest batches. Every row is either delivered later
// or counted as dropped, by exporter.
func TestSpoolOverflowIsCounted(t *testing.T) {
	conn, dial := database(t)
	cfg := deliver.Config{Dir: t.TempDir(), SpoolLimit: 20_000}
	r := rand.New(rand.NewPCG(7, 8))
	first := run(t, cfg, deliver.Deps{Dial: away})
	byExporter := map[string]int{}
	const batches, perBatch = 12, 100
	for i := range batches {
		rows := randomRows(t, r, perBatch, newYear)
		for _, row := range rows {
			byExporter[row.Record.Exporter.String()]++
		}
		first.Append(rows)
		if i == 0 {
			waitFor(t, "the first batch", func() bool { return first.Health().SpoolBatches > 0 })
		}
		time.Sleep(60 * time.Millisecond)
	}
	first.stop()
	if size := first.Health().SpoolBytes; size > cfg.SpoolLimit {
		t.Errorf("the spool holds %d bytes, more than its limit of %d", size, cfg.SpoolLimit)
	}
	second := run(t, cfg, deliver.Deps{Dial: dial})
	waitFor(t, "the spool to drain", func() bool { return second.Health().SpoolBatches == 0 })
	second.stop()
	rows, err := conn.Query(t.Context(), "SELECT toString(toIPv4(exporter)), toInt64(count()) FROM flows GROUP BY exporter")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	stored := 0
	for rows.Next() {
		var exporter string
		var n int64
		if err := rows.Scan(&exporter, &n); err != nil {
			t.Fatal(err)
		}
		stored += int(n)
		if got, want := int(n)+first.dropped[exporter], byExporter[exporter]; got != want {
			t.Errorf("%s: %d rows stored and %d dropped, want %d together", exporter, n, first.dropped[exporter], want)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if stored == 0 || stored == batches*perBatch {
		t.Errorf("%d rows stored, want some but not all", stored)
	}
}

// A file that is cut, changed or no batch at all is set aside, said and
// counted; it neither stops the program nor holds up the others.
func TestCorruptFilesAreSetAside(t *testing.T) {
	conn, dial := database(t)
	cfg := deliver.Config{Dir: t.TempDir()}
	r := rand.New(rand.NewPCG(9, 10))
	first := run(t, cfg, deliver.Deps{Dial: away})
	var batches [][]deliver.Row
	for i := range 4 {
		batches = append(batches, randomRows(t, r, 50, newYear.Add(240*time.Hour)))
		first.Append(batches[i])
		waitFor(t, "a batch file", func() bool { return len(spoolFiles(t, cfg.Dir, ".batch")) == i+1 })
	}
	first.stop()
	files := spoolFiles(t, cfg.Dir, ".batch")
	change := func(name string, f func([]byte) []byte) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change(files[0], func(b []byte) []byte { return b[:len(b)-20] })
	change(files[1], func(b []byte) []byte { b[len(b)-30] ^= 1; return b })
	for name, content := range map[string]string{"0000000000000000000-x.batch": "", "0000000000000000001-y.sent": "{}\n", "9-z.tmp": "half"} {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	second := run(t, cfg, deliver.Deps{Dial: dial, Log: slog.New(slog.NewTextHandler(&log, nil))})
	waitFor(t, "the spool to drain", func() bool { return second.Health().SpoolBatches == 0 })
	second.stop()
	var want sums
	want.add(batches[2])
	want.add(batches[3])
	check(t, conn, want)
	if got := len(spoolFiles(t, cfg.Dir, ".corrupt")); got != 4 {
		t.Errorf("got %d files set aside, want 4", got)
	}
	if got := strings.Count(log.String(), "cannot be read"); got != 4 {
		t.Errorf("got %d log lines about it, want 4:\n%s", got, log.String())
	}
	total := 0
	for _, n := range second.dropped {
		total += n
	}
	if want := len(batches[0]) + len(batches[1]); total != want {
		t.Errorf("got %d rows counted as dropped, want %d", total, want)
	}
	if got := spoolFiles(t, cfg.Dir, ".tmp"); len(got) > 0 {
		t.Errorf("unfinished files are left: %v", got)
	}
}

// Two on one directory would send each other's batches.
func TestOneProcessADirectory(t *testing.T) {
	cfg := deliver.Config{Dir: t.TempDir(), FlushInterval: time.Second}
	first := run(t, cfg, deliver.Deps{Dial: away})
	second, err := deliver.New(cfg, deliver.Deps{Dial: away, Log: slog.New(slog.DiscardHandler), Dropped: first.noteDrop})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Open(); err == nil || !strings.Contains(err.Error(), "another flattraffic already uses "+cfg.Dir) {
		t.Errorf("got error %v, want one that says who holds the directory", err)
	}
}
