package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"runtime/debug"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/flattraffic/flattraffic/report"
)

// Problem is an error that is meant for the reader, with the remedy in Detail.
// It is the body of application/problem+json (RFC 9457).
type Problem struct { //nolint:errname // what RFC 9457 calls it
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	retry bool // it may go away by itself; the page asks again
}

// Error returns the sentence.
func (p *Problem) Error() string { return p.Detail }

var errNotFound = &Problem{Status: http.StatusNotFound, Detail: "There is nothing at this address. Check it, or start from the overview."}

// ErrorPage is the page of an error.
type ErrorPage struct {
	Base
	Problem *Problem
	SignIn  bool // offer the login
}

// fail answers a request that went wrong, once. Nobody reads the answer when
// the client has left.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return
	}
	p := s.problem(r, err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if p.retry {
		h.Set("Retry-After", "5")
	}
	switch path.Ext(r.URL.Path) {
	case ".json":
		h.Set("Content-Type", "application/problem+json")
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
		return
	case ".csv", ".svg", ".png":
		writeText(w, p.Status, p.Detail)
		return
	}
	if p.retry && r.Method == http.MethodGet {
		h.Set("Refresh", "5")
	}
	page := ErrorPage{Base: s.base(r, p.Title, ""), Problem: p}
	page.SignIn = page.Role == "" && page.User == "" && p.Status == http.StatusForbidden
	if err := s.render(w, r, p.Status, "error", page); err != nil {
		s.log.Error("error page broken", "error", err)
		writeText(w, p.Status, p.Detail)
	}
}

// problem decides what the reader is told. What is no fault of the reader's is
// logged with its whole chain.
func (s *Server) problem(r *http.Request, err error) *Problem {
	var known *Problem
	var request *report.RequestError
	var p Problem
	switch {
	case errors.As(err, &known):
		p = *known
	case errors.As(err, &request):
		p = Problem{Status: http.StatusBadRequest, Detail: request.Error()}
	case unavailable(err):
		s.log.Warn("database unavailable", "path", r.URL.Path, "error", err)
		p = Problem{
			Status: http.StatusServiceUnavailable, Title: "The database is away", retry: true,
			Detail: "The database does not answer. Nothing is lost: flows are kept until it is back, and this page tries again by itself.",
		}
		if away := s.db.Away(r.Context()); len(away) > 0 {
			p.Title = "A part of the database is away"
			p.Detail = fmt.Sprintf("Shard %d of %d does not answer, and without it no figure would be right. Nothing is lost: its flows are kept until it is back, and this page tries again by itself.",
				away[0].Number, len(s.db.Shards))
		}
	default:
		s.log.Error("request not answered", "path", r.URL.Path, "error", err)
		p = Problem{Status: http.StatusInternalServerError, Detail: "Something went wrong on our side. The log of the program says what; please report it if it stays."}
	}
	p.Type = "about:blank"
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	return &p
}

// unavailable reports whether the database, not the question, is the trouble:
// it cannot be reached, is too slow, or its tables are not there yet.
func unavailable(err error) bool {
	if e, ok := errors.AsType[*clickhouse.Exception](err); ok {
		switch e.Code {
		case 32, 60, 81, 159, 202, 209, 210, 241, 279, 394, 516: // cut off, no such table or database, timeout, too many queries, network, memory, a shard is away, cancelled, login refused
			return true
		}
		return false
	}
	var n net.Error
	return errors.Is(err, report.ErrUnavailable) || errors.As(err, &n) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, clickhouse.ErrAcquireConnTimeout) ||
		errors.Is(err, clickhouse.ErrAcquireConnNoAddress) || errors.Is(err, clickhouse.ErrConnectionClosed)
}

func writeText(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, sentence+"\n")
}

// recoverPanics keeps one broken request from ending the program.
func (s *Server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.Error("request handler panicked", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			writeText(w, http.StatusInternalServerError, "Something went wrong on our side. The log of the program says what; please report it.")
		}()
		next.ServeHTTP(w, r)
	})
}
