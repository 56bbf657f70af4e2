package cli

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/BurntSushi/toml"
	cli "github.com/urfave/cli/v2"
)

func (p *program) configCommand() *cli.Command {
	reach := flags(only("clickhouse", "cluster", "cluster-hosts", "data", "log-level", "log-format", "engine-memory", "zone"))
	return &cli.Command{
		Name:  "config",
		Usage: "effective configuration; site settings as one file",
		Subcommands: []*cli.Command{
			{
				Name:  "show",
				Usage: "print the effective configuration as a TOML file, with the source of each value; secrets are masked",
				Flags: flags(options()),
				Action: func(c *cli.Context) error {
					if err := noArgs(c); err != nil {
						return err
					}
					return p.configShow(c)
				},
			},
			{
				Name:      "export",
				Usage:     "write the site settings (plans, networks, exporters, names) to FILE or standard output",
				ArgsUsage: "[FILE]",
				Flags:     reach,
				Action:    p.configExport,
			},
			{
				Name:      "import",
				Usage:     "read site settings from FILE or standard input; all or nothing",
				ArgsUsage: "[FILE]",
				Flags:     reach,
				Action:    p.configImport,
			},
		},
	}
}

// configShow prints a file that --config takes.
func (p *program) configShow(c *cli.Context) error {
	e, err := loadConfig(c)
	if err != nil {
		return err
	}
	for _, o := range options() {
		values := e.values[o.name]
		if o.secret && first(values) != "" {
			values = []string{mask(first(values))}
		}
		var value any = first(values)
		switch {
		case o.toggle:
			value = first(values) == "true"
		case o.list && values == nil:
			value = []string{}
		case o.list:
			value = values
		}
		var line strings.Builder
		if err := toml.NewEncoder(&line).Encode(map[string]any{o.name: value}); err != nil {
			return fmt.Errorf("print %s: %w", o.name, err)
		}
		if _, err := fmt.Fprintf(p.stdout, "%-50s # %s\n", strings.TrimSpace(line.String()), e.sources[o.name]); err != nil {
			return err
		}
	}
	return nil
}

// mask hides a password: the whole value, or the password part of a DSN.
func mask(secret string) string {
	if u, err := url.Parse(secret); err == nil && u.User != nil {
		return u.Redacted()
	}
	return "xxxxx"
}

func (p *program) configExport(c *cli.Context) error {
	return p.withSite(c, func(s *siteAccess) error {
		text, err := s.store.Export(c.Context)
		if err != nil {
			return err
		}
		if c.NArg() == 0 {
			_, err = p.stdout.Write(text)
			return err
		}
		return os.WriteFile(c.Args().First(), text, 0o600)
	})
}

func (p *program) configImport(c *cli.Context) error {
	text, err := p.readInput(c.Args().First())
	if err != nil {
		return err
	}
	return p.withSite(c, func(s *siteAccess) error {
		if err := s.store.Import(c.Context, text); err != nil {
			return err
		}
		return s.followZone(c.Context, p)
	})
}
