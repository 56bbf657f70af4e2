package server

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	writeText(w, http.StatusOK, "ok")
	return nil
}

// readyz says whether the database is reachable and migrated, or why not.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := s.ready(r.Context()); err != nil {
		s.log.Debug("not ready", "error", err)
		writeText(w, http.StatusServiceUnavailable, err.Error())
		return nil
	}
	writeText(w, http.StatusOK, "ready")
	return nil
}

// ready is nil when the database answers and has exactly this program's
// tables.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := s.conn.Ping(ctx); err != nil {
		return fmt.Errorf("the database cannot be reached: %w", err)
	}
	if err := s.db.Check(ctx); err != nil {
		return fmt.Errorf("the database is not ready: %w", err)
	}
	return nil
}
