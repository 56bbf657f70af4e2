package cli

import (
	"fmt"
	"time"

	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/schema"
)

func (p *program) schemaCommand() *cli.Command {
	common := flags(only("clickhouse", "data", "engine-memory", "zone", "log-level", "log-format"))
	return &cli.Command{
		Name:  "schema",
		Usage: "tables and views: apply, show, verify, rebuild",
		Subcommands: []*cli.Command{
			{Name: "apply", Usage: "create or upgrade tables and views; safe to run twice", Flags: common, Action: p.schemaApply},
			{Name: "show", Usage: "print the DDL", Flags: common, Action: p.schemaShow},
			{
				Name: "verify", Usage: "compare raw flows with every rollup, by day, to the byte; exit 1 with the first difference",
				Flags: append(append([]cli.Flag{}, common...),
					&cli.StringFlag{Name: "from", Usage: "first `DAY` (YYYY-MM-DD, UTC); none: all that raw covers"},
					&cli.StringFlag{Name: "to", Usage: "`DAY` after the last"}),
				Action: p.schemaVerify,
			},
			{Name: "rebuild", Usage: "rebuild every rollup from raw flows, as far as they reach, while the ingest goes on", Flags: common, Action: p.schemaRebuild},
		},
	}
}

func (p *program) schemaApply(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	return p.withSite(c, func(s *siteAccess) error {
		version, err := schema.Version(c.Context, s.conn)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "the schema is at version %d\n", version)
		return nil
	})
}

func (p *program) schemaShow(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	return p.withSite(c, func(s *siteAccess) error {
		text, err := schema.Show(c.Context, s.conn)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(p.stdout, text)
		return err
	})
}

func (p *program) schemaVerify(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	var options schema.VerifyOptions
	for name, field := range map[string]*time.Time{"from": &options.From, "to": &options.To} {
		if !c.IsSet(name) {
			continue
		}
		day, err := billing.ParseDate(c.String(name))
		if err != nil {
			return usageError{fmt.Errorf("--%s: %w", name, err)}
		}
		*field = day.Start(time.UTC)
	}
	return p.withSite(c, func(s *siteAccess) error {
		bar := p.progress("verify")
		result, err := schema.Verify(c.Context, s.conn, options, bar.set)
		bar.done()
		if err != nil {
			return err
		}
		return p.verified(result)
	})
}

// verified says what was compared, and the first difference.
func (p *program) verified(r schema.Report) error {
	if r.NotCovered != "" {
		fmt.Fprintf(p.stdout, "days up to %s are not compared: their raw flows have been dropped\n", r.NotCovered)
	}
	if r.Days == 0 {
		fmt.Fprintln(p.stdout, "there are no raw flows to compare")
		return nil
	}
	fmt.Fprintf(p.stdout, "compared %s, %s to %s (%s)\n", plural(r.Days, "day"), r.First, r.Last, r.Zone)
	if len(r.Differences) == 0 {
		fmt.Fprintln(p.stdout, "every rollup equals raw, to the byte")
		return nil
	}
	fmt.Fprintf(p.stdout, "first difference: %s\n", r.Differences[0])
	return fmt.Errorf("raw flows and rollups differ on %s; flattraffic schema rebuild mends it", plural(len(r.DifferingDays()), "day"))
}

func (p *program) schemaRebuild(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	return p.withSite(c, func(s *siteAccess) error {
		bar := p.progress("rebuild")
		defer bar.done()
		return schema.Rebuild(c.Context, s.conn, bar.set)
	})
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
