package cli

import (
	_ "embed" // for the scripts below
	"fmt"
	"slices"

	cli "github.com/urfave/cli/v2"
)

//go:embed completion/flattraffic.bash
var bashCompletion string

//go:embed completion/_flattraffic
var zshCompletion string

func (p *program) completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a SHELL: bash, zsh or fish",
		ArgsUsage: "SHELL",
		Action: func(c *cli.Context) error {
			var text string
			var err error
			switch shell := c.Args().First(); shell {
			case "bash":
				text = bashCompletion
			case "zsh":
				text = zshCompletion
			case "fish":
				text, err = c.App.ToFishCompletion()
			default:
				err = usageError{fmt.Errorf("%q is not a shell with a completion; write bash, zsh or fish", shell)}
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(p.stdout, text)
			return err
		},
	}
}

// manCommand prints the manual page, for the packages.
func (p *program) manCommand() *cli.Command {
	return &cli.Command{
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
	}
}
