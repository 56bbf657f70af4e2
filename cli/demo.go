package cli

import (
	"errors"
	"fmt"

	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/demo"
)

func (p *program) demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "write a made-up household's years of history, marked as such, or remove it",
		Flags: append(flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "zone", "log-level", "log-format")),
			&cli.Float64Flag{Name: "years", Value: 2, Usage: "length of the history, `N` years"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`N`: another seed makes another history of the same kind"},
			&cli.StringFlag{Name: "profile", Value: string(demo.Home), Usage: "`PROFILE`: home (a shared flat) or isp (5,000 hosts)"},
			&cli.IntFlag{Name: "flows-per-day", Usage: "mean `N` of flow records a day (0: as the profile says); the bytes do not depend on it"},
			&cli.BoolFlag{Name: "remove", Usage: "remove the made-up history, and nothing else"}),
		Action: p.demo,
	}
}

func (p *program) demo(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	return p.withSite(c, func(s *siteAccess) error {
		if s.Clustered() && !c.Bool("remove") {
			return usageError{errors.New("a made-up history is not spread over a cluster; give --clickhouse the DSN of a ClickHouse for it alone, and no --cluster")}
		}
		if c.Bool("remove") {
			there, err := demo.Present(c.Context, s.Home)
			if err != nil {
				return err
			}
			if !there {
				return errors.New("there is no made-up history to remove")
			}
			bar := p.progress("remove")
			err = demo.Remove(c.Context, s.Home, bar.part)
			bar.done()
			if err == nil {
				fmt.Fprintln(p.stdout, "the made-up history is removed")
			}
			return err
		}
		bar := p.progress("demo")
		summary, err := demo.Write(c.Context, s.Home, demo.Options{
			Years: c.Float64("years"), Seed: c.Uint64("seed"), Profile: demo.Profile(c.String("profile")), FlowsPerDay: c.Int("flows-per-day"),
		}, bar.part)
		bar.done()
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "wrote %s; flattraffic demo --remove takes it away\n", summary)
		return nil
	})
}
