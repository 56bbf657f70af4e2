package cli

import (
	_ "embed" // for the scripts below
	"fmt"

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
