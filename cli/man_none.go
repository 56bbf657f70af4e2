//go:build urfave_cli_no_docs

package cli

import cli "github.com/urfave/cli/v2"

// manCommands are none: the container image has no use for a manual page.
func (p *program) manCommands() []*cli.Command { return nil }
