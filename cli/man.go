//go:build !urfave_cli_no_docs

package cli

import (
	"fmt"
	"slices"

	cli "github.com/urfave/cli/v2"
)

// manCommands are the command that prints the manual page, for the packages.
func (p *program) manCommands() []*cli.Command {
	return []*cli.Command{{
		Name:   "man",
		Usage:  "print the manual page (roff)",
		Hidden: true,
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			app := *c.App
			app.Commands = slices.DeleteFunc(slices.Clone(app.Commands), func(c *cli.Command) bool { return c.Hidden })
			text, err := app.ToManWithSection(1)
			if err != nil {
				return fmt.Errorf("make the manual page: %w", err)
			}
			_, err = fmt.Fprint(p.stdout, text)
			return err
		},
	}}
}
