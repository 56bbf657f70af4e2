package server

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// job is long work on the tables that goes on behind the pages' back, once at a
// time. What is wished for while it runs is done afterwards; the newest wish
// wins.
type job struct {
	work func(ctx context.Context, wish string, progress func(done, total int)) error // nil: not possible from here
	what string                                                                       // for the log
	log  *slog.Logger
	wg   sync.WaitGroup

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // the life of the server, not of a request
	running bool
	want    string
	state   jobState
}

// jobState is what pages say about a job.
type jobState struct {
	Wish    string // a time zone for instance; empty = nothing was wished for lately
	Running bool
	Percent int
	Day     int // of Days, while Running in the first half; the second half proves them
	Days    int
	Failed  bool
	Done    bool

	ended time.Time
}

func newJob(what string, work func(context.Context, string, func(int, int)) error, log *slog.Logger) *job {
	return &job{work: work, what: what, log: log, ctx: context.Background()}
}

// attach makes the job end with the server.
func (j *job) attach(ctx context.Context) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ctx = ctx
}

// wait returns when nothing is running.
func (j *job) wait() { j.wg.Wait() }

// start begins the work for a wish, after the one that may be running.
func (j *job) start(wish string) {
	if j.work == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.want = wish
	if j.running {
		return
	}
	j.running = true
	j.state = jobState{Wish: wish, Running: true}
	j.wg.Add(1)
	go j.run()
}

func (j *job) run() {
	defer j.wg.Done()
	for {
		j.mu.Lock()
		wish, ctx := j.want, j.ctx
		j.want = ""
		if wish == "" {
			j.running = false
			j.mu.Unlock()
			return
		}
		j.state = jobState{Wish: wish, Running: true}
		j.mu.Unlock()

		began := time.Now()
		j.log.Info("long work begins", "work", j.what, "for", wish)
		err := j.work(ctx, wish, j.progress)
		switch took := time.Since(began).Round(time.Millisecond); {
		case err != nil && ctx.Err() != nil:
			j.log.Info("long work is cut off and taken up at the next start", "work", j.what, "for", wish)
		case err != nil:
			j.log.Error("long work failed", "work", j.what, "for", wish, "took", took, "error", err)
		default:
			j.log.Info("long work is done", "work", j.what, "for", wish, "took", took)
		}
		j.mu.Lock()
		j.state = jobState{Wish: wish, Failed: err != nil, Done: err == nil, Percent: 100, ended: time.Now()}
		j.mu.Unlock()
	}
}

func (j *job) progress(done, total int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	total = max(total, 1)
	done = min(max(done, 0), total)
	j.state.Percent = 100 * done / total
	j.state.Days = total / 2
	j.state.Day = min(done+1, j.state.Days)
}

// Proving says that all days are made and are being compared.
func (s jobState) Proving() bool { return s.Percent >= 50 }

// now returns the state of the newest work; success is told for ten minutes.
func (j *job) now() jobState {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state.Done && time.Since(j.state.ended) > 10*time.Minute {
		return jobState{}
	}
	return j.state
}

// watchJobs takes up what is to be done: the days are of another zone than the
// plan's, or flows are to be told anew, after a restart in the middle of it or
// when another program changed the settings. What did not succeed is tried
// again an hour later.
func (s *Server) watchJobs(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	var zoneTried, historyTried, retained time.Time
	for {
		if zone, differs := s.zoneDiffers(ctx); differs && time.Since(zoneTried) > time.Hour {
			zoneTried = time.Now()
			s.zone.start(zone)
		}
		if wish := s.historyWish(ctx); wish != "" && !s.history.now().Running && time.Since(historyTried) > time.Hour {
			historyTried = time.Now()
			s.history.start(wish)
		}
		if time.Since(retained) > retainEvery {
			retained = time.Now()
			if s.retentionDue(ctx) {
				s.storage.start(wishRetention)
			}
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
	is, err := s.db.Zone(ctx)
	return settings.DayZone(), err == nil && is != settings.DayZone()
}

// zoneNow is what pages say about the days' zone.
func (s *Server) zoneNow(ctx context.Context) jobState {
	state := s.zone.now()
	if state.Wish != "" {
		return state
	}
	if zone, differs := s.zoneDiffers(ctx); differs {
		return jobState{Wish: zone, Failed: true}
	}
	return state
}
