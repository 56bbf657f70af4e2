package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// wishForHistory notes that all flows are to be told by the settings of today,
// so that a restart in the middle is taken up, and begins with it.
func (s *Server) wishForHistory(ctx context.Context) error {
	wish := s.now().UTC().Format(time.RFC3339Nano)
	ctx, cancel := with(ctx, clickhouse.Parameters{"wish": wish})
	defer cancel()
	if err := s.conn.Exec(ctx, statement("set_history_wish")); err != nil {
		return fmt.Errorf("note that flows are to be told anew: %w", err)
	}
	s.history.start(wish)
	return nil
}

// historyWish returns what was wished for and is not done; empty also when the
// database does not answer.
func (s *Server) historyWish(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var wish string
	if err := s.conn.QueryRow(ctx, statement("history_wish")).Scan(&wish); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return ""
	}
	return wish
}

// tellHistory is the work of the job: it forgets the wish when it is done,
// unless there is a newer one.
func (s *Server) tellHistory(tell func(context.Context, func(int, int)) error) func(context.Context, string, func(int, int)) error {
	if tell == nil {
		return nil
	}
	return func(ctx context.Context, wish string, progress func(done, total int)) error {
		if err := tell(ctx, progress); err != nil {
			return err
		}
		if s.reports != nil {
			s.reports.ForgetDoubles()
		}
		ctx, cancel := with(ctx, clickhouse.Parameters{"wish": wish})
		defer cancel()
		if err := s.conn.Exec(ctx, statement("history_told")); err != nil {
			return fmt.Errorf("note that flows are told anew: %w", err)
		}
		return nil
	}
}

// startHistory is the button that tells all flows by the settings of today.
func (s *Server) startHistory(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	if err := s.wishForHistory(r.Context()); err != nil {
		return err
	}
	if r.PostFormValue("back") == "exporters" {
		return redirect(w, r, "/settings/exporters", "history")
	}
	return redirect(w, r, "/settings/networks", "history")
}

// historyReach says in a sentence how much of history can be told anew.
func (s *Server) historyReach(ctx context.Context, fig figures) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	from, older, err := s.db.HistoryFrom(ctx)
	if err != nil {
		return "", err
	}
	since := from.In(fig.zone).Format("2 January 2006")
	switch {
	case from.IsZero() && older:
		return "There are no raw flows any more, so the past stays as it is.", nil
	case from.IsZero():
		return "", nil
	case older:
		return "Raw flows are kept since " + since + ". Days before stay as they are: what they hold cannot be told anew.", nil
	}
	return "Raw flows are kept since " + since + ", so all of the past can be told anew.", nil
}
