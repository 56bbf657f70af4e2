package cli

import (
	"context"
	"fmt"
	"time"

	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

func (p *program) schemaCommand() *cli.Command {
	common := flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "zone", "log-level", "log-format"))
	return &cli.Command{
		Name:  "schema",
		Usage: "tables and views: apply, show, verify, rebuild, retention",
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
			{
				Name: "rebuild", Usage: "tell raw flows anew where today's networks and exporter settings differ from those they came in by, and rebuild every rollup from them, as far as they reach, while the ingest goes on",
				Flags:  append(append([]cli.Flag{}, common...), &cli.BoolFlag{Name: "rollups-only", Usage: "leave the raw flows as they are"}),
				Action: p.schemaRebuild,
			},
			p.retentionCommand(common),
		},
	}
}

func (p *program) schemaApply(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	return p.withSite(c, func(s *siteAccess) error {
		version, err := schema.Version(c.Context, s.Home)
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
		text, err := schema.Show(c.Context, s.Home)
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
		for _, shard := range s.Shards {
			bar := p.progress("verify")
			result, err := schema.Verify(c.Context, shard.Conn, options, bar.set)
			bar.done()
			if err != nil {
				return err
			}
			if s.Clustered() {
				fmt.Fprintln(p.stdout, s.Label(shard)+":")
			}
			if err := p.verified(result); err != nil {
				return err
			}
		}
		_, strays, err := s.told(c.Context)
		if err == nil && strays > 0 {
			fmt.Fprintf(p.stdout, "%s told by other networks or exporter settings than today's; flattraffic schema rebuild tells them anew\n", areOrIs(strays))
		}
		return err
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
		rebuild := s.Rebuild
		if !c.Bool("rollups-only") {
			rules, strays, err := s.told(c.Context)
			if err != nil {
				return err
			}
			if strays > 0 {
				fmt.Fprintf(p.stderr, "%s told by other networks or exporter settings than today's; telling them anew\n", areOrIs(strays))
				rebuild = func(ctx context.Context, progress schema.Progress) error { return s.Retell(ctx, rules, progress) }
			}
			if err := p.sayHowFar(c.Context, s); err != nil {
				return err
			}
		}
		bar := p.progress("rebuild")
		defer bar.done()
		return rebuild(c.Context, bar.set)
	})
}

// told returns the rules of today's settings, and counts the raw flows that today's settings would tell otherwise.
func (s *siteAccess) told(ctx context.Context) (schema.Rules, uint64, error) {
	settings, err := s.store.Load(ctx)
	if err != nil {
		return schema.Rules{}, 0, err
	}
	rules := rulesOf(settings)
	n, err := s.Strays(ctx, rules)
	return rules, n, err
}

// rulesOf are the settings that flows are told by.
func rulesOf(settings *site.Settings) schema.Rules {
	return schema.Rules{Networks: settings.Prefixes(), Counting: settings.CountRules()}
}

// sayHowFar says which part of history has no raw flows any more.
func (p *program) sayHowFar(ctx context.Context, s *siteAccess) error {
	from, older, err := s.HistoryFrom(ctx)
	if err != nil {
		return err
	}
	if older && !from.IsZero() {
		fmt.Fprintf(p.stderr, "raw flows begin on %s; what is older stays as it is\n", from.Format(time.DateOnly))
	}
	if older && from.IsZero() {
		fmt.Fprintln(p.stderr, "there are no raw flows; history stays as it is")
	}
	return nil
}

func areOrIs(flows uint64) string {
	if flows == 1 {
		return "1 raw flow is"
	}
	return fmt.Sprintf("%d raw flows are", flows)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
