package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	cli "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/flattraffic/flattraffic/server"
)

func (p *program) passwordCommand() *cli.Command {
	return &cli.Command{
		Name:      "password",
		Usage:     "set the password of an account (default: admin) from the terminal or standard input",
		ArgsUsage: "[ACCOUNT]",
		Flags: append(flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "log-level", "log-format")),
			&cli.StringFlag{Name: "role", Value: server.Admin, Usage: "`ROLE` of the account: admin or viewer"}),
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usageError{errors.New("password takes one account")}
			}
			account := c.Args().First()
			if account == "" {
				account = "admin"
			}
			password, err := p.askPassword(account)
			if err != nil {
				return err
			}
			role := c.String("role")
			if err := server.CheckPassword(password); err != nil {
				return err
			}
			return p.withSite(c, func(s *siteAccess) error {
				if err := server.NewAccounts(s.Home).Set(c.Context, account, role, password); err != nil {
					return err
				}
				fmt.Fprintf(p.stderr, "the password of %s is set; its sessions are ended\n", account)
				return nil
			})
		},
	}
}

// askPassword asks twice on a terminal, and reads one line elsewhere.
func (p *program) askPassword(account string) (string, error) {
	f, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		text, err := p.readInput("")
		if err != nil {
			return "", fmt.Errorf("read the password from standard input: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		return strings.TrimRight(line, "\r"), nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(p.stderr, prompt)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(p.stderr)
		return string(text), err
	}
	one, err := ask("New password of " + account + ": ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	two, err := ask("Again: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if one != two {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return one, nil
}
