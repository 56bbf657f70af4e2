package ingest

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/ingest/ledger"
	"github.com/flattraffic/flattraffic/ingest/listen"
)

// templatesPrefix begins the names of template files, one a worker.
const templatesPrefix = "templates."

// worker owns the decoder of some exporters and is the only one to use it.
type worker struct {
	in      *Ingest
	number  int
	decoder *decode.Decoder
	seen    *sightings

	router *deliver.Router

	records []flow.Record // of the datagram at hand
	rows    []deliver.Row
}

func newWorker(in *Ingest, number int) *worker {
	w := &worker{in: in, number: number, seen: newSightings(), router: deliver.NewRouter(in.shards)}
	w.decoder = decode.New(decode.Config{
		Log: in.deps.Log, Ledger: in.ledger,
		Exporter: func(a netip.Addr) decode.ExporterSettings { return in.policy.Load().decoding(a) },
		Owns:     func(a netip.Addr) bool { return in.listener.Owner(a) == number },
	})
	return w
}

// run handles datagrams until the listener closes the queue.
func (w *worker) run() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	save := time.NewTicker(templatesEvery)
	defer save.Stop()
	queue := w.in.listener.Queue(w.number)
	for {
		select {
		case d, open := <-queue:
			if !open {
				w.end()
				return
			}
			w.handle(&d)
		case now := <-tick.C:
			w.decoder.Tick(now)
			w.report()
		case <-save.C:
			w.saveTemplates()
		}
	}
}

// handle turns one datagram into rows.
func (w *worker) handle(d *listen.Datagram) {
	defer d.Release()
	policy := w.in.policy.Load()
	if policy.refuses(d.Exporter) {
		w.in.ledger.Count(d.Exporter, d.Received, ledger.Blocked, 1)
		return
	}
	w.records = w.decoder.Decode(w.records[:0], d.Exporter, d.Received, d.Payload)
	if len(w.records) == 0 {
		return
	}
	rows, uncounted := policy.rows(w.rows[:0], w.records)
	w.rows = rows
	for i := range rows {
		w.seen.note(&rows[i])
	}
	w.router.Append(w.rows)
	if w.in.kafka != nil {
		w.in.kafka.Offer(w.records)
	}
	w.in.ledger.Count(d.Exporter, d.Received, ledger.Records, uint64(len(w.rows)))
	w.in.ledger.Count(d.Exporter, d.Received, ledger.Uncounted, uncounted)
}

// report tells what is known of exporters and addresses.
func (w *worker) report() {
	w.in.state.update(w.number, w.decoder.Exporters(), w.seen.take())
}

// end counts what is still pending and saves what the next run needs.
func (w *worker) end() {
	w.decoder.Flush(time.Now())
	w.report()
	w.saveTemplates()
}

func (w *worker) saveTemplates() {
	var text bytes.Buffer
	err := w.decoder.SaveTemplates(&text)
	if err == nil {
		err = writeFile(filepath.Join(w.in.dir, templatesPrefix+strconv.Itoa(w.number)), text.Bytes())
	}
	if err != nil {
		w.in.deps.Log.Warn("templates are not saved; after a restart flows wait until exporters send them again", "error", err)
	}
}

// loadTemplates takes the templates of the exporters this worker owns from the
// files of all workers of the last run, of which there may have been more.
func (w *worker) loadTemplates() {
	files, err := filepath.Glob(filepath.Join(w.in.dir, templatesPrefix+"*"))
	for _, name := range files {
		if strings.HasSuffix(name, ".tmp") {
			continue
		}
		err = errors.Join(err, w.loadFrom(name))
	}
	if err != nil {
		w.in.deps.Log.Warn("some templates of the last run are not read; their flows wait until exporters send them again", "error", err)
	}
}

func (w *worker) loadFrom(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return w.decoder.LoadTemplates(f)
}
