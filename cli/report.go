package cli

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/names"
	"github.com/flattraffic/flattraffic/report"
)

func (p *program) reportCommand() *cli.Command {
	command := &cli.Command{
		Name:  "report",
		Usage: "the reports of the browser, in the terminal",
	}
	for _, kind := range []struct {
		kind  report.Kind
		usage string
	}{
		{report.Overview, "the answer first: used, left, likely"},
		{report.Days, "usage a day"},
		{report.Hosts, "usage a host"},
		{report.Protocols, "usage a protocol and service"},
		{report.Networks, "usage a configured network"},
		{report.Ranges, "address ranges of traffic between addresses that are not yours"},
		{report.People, "usage a person, with the fair share"},
		{report.History, "usage a billing period, all of them"},
	} {
		command.Subcommands = append(command.Subcommands, &cli.Command{
			Name:  string(kind.kind),
			Usage: kind.usage,
			Flags: append(flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "zone", "log-level", "log-format")),
				&cli.StringFlag{Name: "period", Usage: "billing `PERIOD`: current, previous, or YYYY-MM-DD for the one holding that day"},
				&cli.StringFlag{Name: "from", Usage: "first `DAY` (YYYY-MM-DD), or an RFC 3339 instant"},
				&cli.StringFlag{Name: "to", Usage: "`DAY` after the last, or an RFC 3339 instant"},
				&cli.StringFlag{Name: "host", Usage: "only this `HOST`: an address, a name, or the id or MAC of a device"},
				&cli.StringFlag{Name: "person", Usage: "only the hosts of this `PERSON`, by id; nobody for those of no one"},
				&cli.StringFlag{Name: "protocol", Usage: "only this `PROTOCOL`: https, tcp/443 or udp"},
				&cli.StringFlag{Name: "network", Usage: "only this `CIDR` range"},
				&cli.StringFlag{Name: "compare", Usage: "set against an earlier `TIME`: last for the period before, year for a year before"},
				&cli.StringFlag{Name: "line", Usage: "the line with this `ID`, or all (none: the first line)"},
				&cli.StringFlag{Name: "format", Value: "table", Usage: "`FORMAT`: table, csv or json"}),
			Action: func(c *cli.Context) error { return p.report(c, kind.kind) },
		})
	}
	return command
}

func (p *program) report(c *cli.Context, kind report.Kind) error {
	if err := noArgs(c); err != nil {
		return err
	}
	query := url.Values{}
	for _, name := range []string{"period", "from", "to", "host", "person", "protocol", "network", "line", "compare"} {
		if c.IsSet(name) {
			query.Set(name, c.String(name))
		}
	}
	format := c.String("format")
	if format != "table" && format != "csv" && format != "json" {
		return usageError{fmt.Errorf("--format %s is unknown; write table, csv or json", format)}
	}
	request, err := report.Parse(kind, query)
	if err != nil {
		return usageError{err}
	}
	services, err := flow.NewServices()
	if err != nil {
		return err
	}
	return p.withSite(c, func(s *siteAccess) error {
		stored := names.New(names.Config{Usage: s.All}, s.Home, nil, time.Now, s.log)
		if err := stored.Load(c.Context); err != nil {
			return err
		}
		reports := report.New(s.All, s.store.Current, services, stored, time.Now)
		result, err := reports.Run(c.Context, request)
		if _, bad := errors.AsType[*report.RequestError](err); bad {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		switch format {
		case "csv":
			return report.WriteCSV(p.stdout, result)
		case "json":
			return report.WriteJSON(p.stdout, result)
		}
		return report.WriteTable(p.stdout, result)
	})
}
