package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/imports"
)

func (p *program) importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "import files of earlier flows: captures of flow exports, nfcapd files, CSV, Parquet, goflow2 JSON; vnStat's and nlbwmon's daily history",
		ArgsUsage: "FILE...",
		Flags: append(flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "zone", "log-level", "log-format")),
			&cli.BoolFlag{Name: "list", Usage: "list what was imported"},
			&cli.UintFlag{Name: "undo", Usage: "take import `N` out again, to the byte"},
			&cli.StringFlag{Name: "exporter", Usage: "`ADDRESS` of the exporter of records that name none"},
			&cli.StringFlag{Name: "host", Usage: "vnStat: the local `ADDRESS` its days are booked on"},
			&cli.StringFlag{Name: "interface", Usage: "vnStat: the interface `NAME` of the line, when the file has several"},
			&cli.StringFlag{Name: "from", Usage: "nlbwmon: first `DAY` its table covers (YYYY-MM-DD)"},
			&cli.StringFlag{Name: "to", Usage: "nlbwmon: the `DAY` after the last"}),
		Action: p.imports,
	}
}

func (p *program) imports(c *cli.Context) error {
	list, undo := c.Bool("list"), c.IsSet("undo")
	switch {
	case (list || undo) && c.NArg() > 0, list && undo:
		return usageError{errors.New("--list, --undo N and files to import go one at a time")}
	case !list && !undo && c.NArg() == 0:
		return usageError{errors.New("name the files to import; or --list, or --undo N")}
	}
	opts, err := importOptions(c)
	if err != nil {
		return usageError{err}
	}
	return p.withSite(c, func(s *siteAccess) error {
		importer, err := imports.New(imports.Deps{Database: s.Database, Settings: s.store.Load, Now: time.Now, Log: s.log})
		if err != nil {
			return err
		}
		switch {
		case list:
			return p.importList(c, importer)
		case undo:
			return p.importUndo(c, importer)
		}
		return p.importFiles(c, importer, opts)
	})
}

func importOptions(c *cli.Context) (imports.Options, error) {
	o := imports.Options{Interface: c.String("interface")}
	for name, field := range map[string]*netip.Addr{"exporter": &o.Exporter, "host": &o.Host} {
		if value := c.String(name); value != "" {
			a, err := netip.ParseAddr(value)
			if err != nil {
				return o, fmt.Errorf("--%s: %q is no IP address", name, value)
			}
			*field = a.Unmap().WithZone("")
		}
	}
	for name, field := range map[string]*billing.Date{"from": &o.From, "to": &o.To} {
		if value := c.String(name); value != "" {
			d, err := billing.ParseDate(value)
			if err != nil {
				return o, fmt.Errorf("--%s: %w", name, err)
			}
			*field = d
		}
	}
	return o, nil
}

// importFiles imports one file after the other and stops at the first that
// fails; those before stay.
func (p *program) importFiles(c *cli.Context, importer *imports.Importer, opts imports.Options) error {
	for _, path := range c.Args().Slice() {
		bar := p.progress("import")
		summary, err := importer.Import(c.Context, path, opts, bar.part)
		bar.done()
		if err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, strings.Join(summary.Lines(), "\n"))
	}
	return nil
}

func (p *program) importUndo(c *cli.Context, importer *imports.Importer) error {
	bar := p.progress("undo")
	e, err := importer.Undo(c.Context, uint32(c.Uint("undo")), bar.part) //nolint:gosec // a number too large is none that exists
	bar.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "import %d (%s) is undone: %s taken out\n", e.Number, e.File, plural(int(e.Rows), "flow")) //nolint:gosec // no file has so many
	return nil
}

func (p *program) importList(c *cli.Context, importer *imports.Importer) error {
	if err := importer.Recover(c.Context); err != nil {
		return err
	}
	list, err := importer.List(c.Context)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(p.stdout, "nothing was imported")
		return nil
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0
	t.AppendHeader(table.Row{"import", "file", "kind", "flows", "bytes", "first (UTC)", "last (UTC)", "imported"})
	const minute = "2006-01-02 15:04"
	for _, e := range list {
		t.AppendRow(table.Row{e.Number, e.File, e.Kind, e.Rows, e.Bytes, e.First.Format(minute), e.Last.Format(minute), e.Started.Format(minute)})
	}
	fmt.Fprintln(p.stdout, t.Render())
	return nil
}
