package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/flattraffic/flattraffic/schema"
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

	ended time.Time
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
		j.state = zoneState{Zone: zone, Failed: err != nil, Done: err == nil, Percent: 100, ended: time.Now()}
		j.mu.Unlock()
	}
}

func (j *zoneJob) progress(done float64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Percent = int(100 * min(max(done, 0), 1))
}

// now returns the state of the newest re-cut; success is told for ten minutes.
func (j *zoneJob) now() zoneState {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state.Done && time.Since(j.state.ended) > 10*time.Minute {
		return zoneState{}
	}
	return j.state
}

// watchZone starts a re-cut when the days are of another zone than the plan's:
// after a restart in the middle of one, or when the settings were changed by
// another program. One that did not succeed is tried again an hour later.
func (s *Server) watchZone(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	var tried time.Time
	for {
		if zone, differs := s.zoneDiffers(ctx); differs && time.Since(tried) > time.Hour {
			tried = time.Now()
			s.zone.start(zone)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// zoneDiffers returns the zone the days should be of, and whether they are of
// another one. While a re-cut runs, or the database does not answer, they are
// not known to be.
func (s *Server) zoneDiffers(ctx context.Context) (zone string, differs bool) {
	if s.zone.now().Running {
		return "", false
	}
	settings, err := s.settings(ctx)
	if err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	is, err := schema.Zone(ctx, s.conn)
	return settings.DayZone(), err == nil && is != settings.DayZone()
}

// zoneNow is what pages say about the days' zone.
func (s *Server) zoneNow(ctx context.Context) zoneState {
	state := s.zone.now()
	if state.Zone != "" {
		return state
	}
	if zone, differs := s.zoneDiffers(ctx); differs {
		return zoneState{Zone: zone, Failed: true}
	}
	return state
}
