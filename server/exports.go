package server

import (
	"bytes"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/report"
)

// exportRoutes answer every report for programs, on the path and query of its
// page.
func (s *Server) exportRoutes(r chi.Router) {
	for _, kind := range []report.Kind{report.Overview, report.Days, report.Hosts, report.Protocols, report.Networks, report.Ranges, report.People, report.History} {
		for _, ext := range []string{".json", ".csv"} {
			s.get(r, exportPath(kind)+ext, func(w http.ResponseWriter, r *http.Request) error {
				req, err := report.Parse(kind, r.URL.Query())
				if err != nil {
					return err
				}
				return s.export(w, r, req)
			})
		}
	}
	s.get(r, `/hosts/{file:[^/]+\.(?:json|csv)}`, s.exportHost)
}

// exportPath is the path of a report's page.
func exportPath(kind report.Kind) string {
	if kind == report.Ranges {
		return "/networks/unmatched"
	}
	return "/" + string(kind)
}

// exportHost exports one host, by address or by a name it has now.
func (s *Server) exportHost(w http.ResponseWriter, r *http.Request) error {
	file := chi.URLParam(r, "file")
	chi.RouteContext(r.Context()).URLParams.Add("host", strings.TrimSuffix(file, path.Ext(file)))
	addr, err := reportPages{s, s.reports.Run}.hostAddress(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	query.Set("host", addr.String())
	req, err := report.Parse(report.Host, query)
	if err != nil {
		return err
	}
	return s.export(w, r, req)
}

// export answers a request as JSON or CSV, by the path's extension. The whole
// answer is made first, so that an error is never half a file.
func (s *Server) export(w http.ResponseWriter, r *http.Request, req report.Request) error {
	result, err := s.reports.Run(r.Context(), req)
	if err != nil {
		return err
	}
	write, contentType := report.WriteJSON, "application/json"
	if path.Ext(r.URL.Path) == ".csv" {
		write, contentType = report.WriteCSV, "text/csv; charset=utf-8; header=present"
	}
	var buf bytes.Buffer
	if err := write(&buf, result); err != nil {
		return fmt.Errorf("write %s: %w", r.URL.Path, err)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "private, no-cache")
	if contentType != "application/json" {
		name := fmt.Sprintf("flattraffic-%s-%s.csv", req.Kind, result.Span.Start.Format("2006-01-02"))
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	_, _ = w.Write(buf.Bytes()) // The client may have left; that is no error of ours.
	return nil
}
