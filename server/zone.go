package server

import (
	"context"
	"log/slog"
	"sync"
)

// zoneJob re-cuts the daily tables for another time zone behind the pages'
// back, one zone at a time; the newest wish wins.
type zoneJob struct {
	change func(ctx context.Context, zone string, progress func(done float64)) error
	log    *slog.Logger
	wg     sync.WaitGroup

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // the life of the server, not of a request
	running bool
	want    string
	state   zoneState
}

// zoneState is what the page says about the re-cut.
type zoneState struct {
	Zone    string
	Running bool
	Percent int
	Failed  bool
	Done    bool
}

func newZoneJob(change func(context.Context, string, func(float64)) error, log *slog.Logger) *zoneJob {
	return &zoneJob{change: change, log: log, ctx: context.Background()}
}

// attach makes the job end with the server.
func (j *zoneJob) attach(ctx context.Context) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ctx = ctx
}

// wait returns when no re-cut is running.
func (j *zoneJob) wait() { j.wg.Wait() }

// start re-cuts for a zone, after the one that may be running.
func (j *zoneJob) start(zone string) {
	if j.change == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.want = zone
	if j.running {
		return
	}
	j.running = true
	j.wg.Add(1)
	go j.run()
}

func (j *zoneJob) run() {
	defer j.wg.Done()
	for {
		j.mu.Lock()
		zone, ctx := j.want, j.ctx
		j.want = ""
		if zone == "" {
			j.running = false
			j.mu.Unlock()
			return
		}
		j.state = zoneState{Zone: zone, Running: true}
		j.mu.Unlock()

		err := j.change(ctx, zone, j.progress)
		if err != nil {
			j.log.Error("days not re-cut for the new time zone", "zone", zone, "error", err)
		} else {
			j.log.Info("days re-cut for the new time zone", "zone", zone)
		}
		j.mu.Lock()
		j.state = zoneState{Zone: zone, Failed: err != nil, Done: err == nil, Percent: 100}
		j.mu.Unlock()
	}
}

func (j *zoneJob) progress(done float64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Percent = int(100 * min(max(done, 0), 1))
}

// now returns the state of the newest re-cut.
func (j *zoneJob) now() zoneState {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state
}
