package server

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what the web interface counts about itself.
type metrics struct {
	seconds *prometheus.HistogramVec
	logins  *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flattraffic_http_request_seconds", Help: "Time to answer requests, by route and status.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "code"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flattraffic_logins_total", Help: "Logins by result: accepted, refused (wrong name or password), limited (too many tries).",
		}, []string{"result"}),
	}
	for _, c := range []prometheus.Collector{m.seconds, m.logins} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// observe measures every request. The label is the route's pattern, never the
// path: readers cannot make new series.
func (m *metrics) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			route := chi.RouteContext(r.Context()).RoutePattern()
			if route == "" || route == "/*" {
				route = "none"
			}
			m.seconds.WithLabelValues(route, strconv.Itoa(max(ww.Status(), http.StatusOK))).Observe(time.Since(start).Seconds())
		}()
		next.ServeHTTP(ww, r)
	})
}

// serveMetrics answers Prometheus: on this machine, to who is logged in, or to
// everyone when so configured. Only the login needs the database.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	if !s.cfg.PublicMetrics && !local(r) {
		v, _, err := s.visitor(r)
		if err != nil {
			return err
		}
		if v.Account == "" {
			return &Problem{Status: http.StatusForbidden, Detail: "Metrics are for this machine and for who is signed in. Ask for them there, or sign in."}
		}
	}
	promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}
