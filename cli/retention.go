package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

func (p *program) retentionCommand(common []cli.Flag) *cli.Command {
	return &cli.Command{
		Name:  "retention",
		Usage: "how long raw flows and far ends are kept: show it with what each table takes and what would be dropped; change it; drop now",
		Flags: append(append([]cli.Flag{}, common...),
			&cli.IntFlag{Name: "months", Usage: "keep raw flows for `N` whole months beside the running one (0: for ever)"},
			&cli.StringFlag{Name: "size", Usage: "keep raw flows up to a `SIZE` on disk, such as \"20 GB\"; oldest months go first (empty: any)"},
			&cli.IntFlag{Name: "far-ends", Usage: "keep the far ends of each day for `N` whole months beside the running one (0: for ever)"},
			&cli.BoolFlag{Name: "save", Usage: "save --months, --size and --far-ends; without it they are only tried"},
			&cli.BoolFlag{Name: "run", Usage: "drop now what is due by what is saved; the services do so once a day"}),
		Action: p.retention,
	}
}

func (p *program) retention(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if c.Bool("save") && !c.IsSet("months") && !c.IsSet("size") && !c.IsSet("far-ends") {
		return usageError{errors.New("--save needs --months N, --size SIZE or --far-ends N")}
	}
	return p.withSite(c, func(s *siteAccess) error {
		settings, err := s.store.Load(c.Context)
		if err != nil {
			return err
		}
		wanted := settings.Retention
		if c.IsSet("months") {
			wanted.RawMonths = c.Int("months")
		}
		if c.IsSet("size") {
			wanted.RawSize = c.String("size")
		}
		if c.IsSet("far-ends") {
			wanted.FarEndMonths = c.Int("far-ends")
		}
		if wanted, err = site.CheckRetention(wanted); err != nil {
			return usageError{err}
		}
		if c.Bool("save") {
			if err := s.store.SaveRetention(c.Context, wanted); err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "saved: %s\n", wanted.Words())
			settings.Retention = wanted
		}
		if c.Bool("run") {
			return p.retain(c, s, settings.Retention)
		}
		return p.showRetention(c, s, wanted)
	})
}

// retain drops what is due, and says so.
func (p *program) retain(c *cli.Context, s *siteAccess, r site.Retention) error {
	bar := p.progress("drop")
	due, err := s.Retain(c.Context, retentionOf(r), time.Now(), bar.set)
	bar.done()
	if err != nil {
		return err
	}
	var freed uint64
	for _, m := range due {
		if m.Kept != "" {
			fmt.Fprintf(p.stdout, "%s is kept: %s\n", m.Month.Format("2006-01"), m.Kept)
			continue
		}
		freed += m.Bytes
		what := "raw flows"
		if m.FarEnds {
			what = "rows of far ends"
		}
		fmt.Fprintf(p.stdout, "%s: %d %s dropped\n", m.Month.Format("2006-01"), m.Rows, what)
	}
	fmt.Fprintf(p.stdout, "%s freed; no total has changed\n", billing.Decimal.Format(freed))
	return nil
}

// showRetention prints the sizes and what would be dropped.
func (p *program) showRetention(c *cli.Context, s *siteAccess, r site.Retention) error {
	sizes, err := s.Sizes(c.Context)
	if err != nil {
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0
	t.AppendHeader(table.Row{"table", "rows", "on disk"})
	for _, size := range sizes {
		if size.Rows > 0 {
			t.AppendRow(table.Row{size.Table, size.Rows, billing.Decimal.Format(size.Bytes)})
		}
	}
	fmt.Fprintln(p.stdout, t.Render())
	fmt.Fprintln(p.stdout, r.Words()+"; other rollups for ever")
	raw, far, err := s.Due(c.Context, retentionOf(r), time.Now())
	if err != nil {
		return err
	}
	if len(raw)+len(far) == 0 {
		fmt.Fprintln(p.stdout, "nothing is due to be dropped")
		return nil
	}
	if len(raw) > 0 {
		p.printDue("raw flows", raw)
		fmt.Fprintln(p.stdout, "lost with them: single flows with their ports, far ends by the hour or protocol, and telling that time anew by other local networks; no total changes")
	}
	if len(far) > 0 {
		p.printDue("far ends", far)
		fmt.Fprintln(p.stdout, "lost with them: whom each host exchanged data with; no total changes")
	}
	return nil
}

func (p *program) printDue(what string, months []schema.Month) {
	var bytes uint64
	for _, m := range months {
		bytes += m.Bytes
	}
	span := months[0].Month.Format("2006-01")
	if n := len(months); n > 1 {
		span += " to " + months[n-1].Month.Format("2006-01") + ", " + plural(n, "month")
	}
	fmt.Fprintf(p.stdout, "due to be dropped: %s of %s, %s on disk\n", what, span, billing.Decimal.Format(bytes))
}

// retentionOf is a setting as the schema takes it.
func retentionOf(r site.Retention) schema.Retention {
	return schema.Retention{Months: r.RawMonths, Bytes: r.RawBytes(), FarEnds: r.FarEndMonths}
}
