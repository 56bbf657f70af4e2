// Package cli is the command line: one file a command, flags and wiring,
// nothing else.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/clickhouse"
)

// Exit codes, as documented.
const (
	exitFine        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is a wrong call or configuration: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// program is what the commands share: the streams and the way it was stopped.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	interrupted    *atomic.Bool
}

// Main runs the program and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	clickhouse.EngineChild() // does not return in the engine's own process
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr, interrupted: &atomic.Bool{}}
	ctx, stop := p.untilSignal(context.Background())
	defer stop()
	app := p.app()
	err := app.RunContext(ctx, intersperse(app, args))
	return p.exitCode(err)
}

func (p *program) exitCode(err error) int {
	var usage usageError
	switch {
	case p.interrupted.Load():
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(p.stderr, "flattraffic: %s\n", err)
		}
		return exitInterrupted
	case err == nil:
		return exitFine
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "flattraffic: %s\n", err)
		return exitUsage
	default:
		if _, printed := errors.AsType[findings](err); !printed {
			fmt.Fprintf(p.stderr, "flattraffic: %s\n", err)
		}
		return exitFailed
	}
}

// untilSignal ends the context on SIGTERM (a clean stop) and on SIGINT (an
// interruption, exit code 130).
func (p *program) untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			p.interrupted.Store(s == syscall.SIGINT)
			signal.Stop(signals) // a second signal ends the program at once
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

func (p *program) app() *cli.App {
	app := &cli.App{
		Name:            "flattraffic",
		Usage:           "who used our data, and will it last until the renewal day?",
		UsageText:       "flattraffic COMMAND [FLAGS]",
		Version:         version(),
		HideVersion:     true,
		HideHelpCommand: true,
		Writer:          p.stdout,
		ErrWriter:       p.stderr,
		Reader:          p.stdin,
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    onUsageError,
		Action:          needCommand,
		Commands: []*cli.Command{
			p.upCommand(),
			p.ingestCommand(),
			p.serveCommand(),
			p.schemaCommand(),
			p.reportCommand(),
			p.sqlCommand(),
			p.importCommand(),
			p.demoCommand(),
			p.backupCommand(),
			p.restoreCommand(),
			p.doctorCommand(),
			p.healthCommand(),
			p.passwordCommand(),
			p.configCommand(),
			p.completionCommand(),
			p.versionCommand(),
		},
		EnableBashCompletion: true,
	}
	app.Commands = append(app.Commands, p.manCommands()...)
	setUsageErrors(app.Commands)
	return app
}

func setUsageErrors(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
		setUsageErrors(c.Subcommands)
		if c.Action == nil {
			c.Action = needCommand
		}
	}
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	name := c.App.Name
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != name {
		name = strings.TrimSpace(name + " " + strings.TrimPrefix(c.Command.HelpName, name+" "))
	}
	return usageError{fmt.Errorf("%w; see %s --help", err, name)}
}

// needCommand answers a call without a (known) command.
func needCommand(c *cli.Context) error {
	var names []string
	commands := c.App.Commands
	if c.Command != nil && len(c.Command.Subcommands) > 0 {
		commands = c.Command.Subcommands
	}
	for _, s := range commands {
		if !s.Hidden {
			names = append(names, s.Name)
		}
	}
	if c.NArg() > 0 {
		return usageError{fmt.Errorf("%q is not a command; the commands are %s", c.Args().First(), strings.Join(names, ", "))}
	}
	if c.Command != nil && len(c.Command.Subcommands) > 0 && c.Command.Name != c.App.Name {
		return usageError{fmt.Errorf("%s needs one of %s", c.Command.Name, strings.Join(names, ", "))}
	}
	if err := cli.ShowAppHelp(c); err != nil {
		return err
	}
	return usageError{errors.New("name a command")}
}

// noArgs refuses words behind a command that takes none.
func noArgs(c *cli.Context) error {
	if c.NArg() > 0 {
		return usageError{fmt.Errorf("%s takes no argument %q", c.Command.Name, c.Args().First())}
	}
	return nil
}

// intersperse moves the flags of the innermost command before its arguments,
// so that `sql "SELECT 1" --format json` works like `sql --format json "SELECT 1"`.
func intersperse(app *cli.App, args []string) []string {
	if args[len(args)-1] == "--"+cli.BashCompletionFlag.Names()[0] {
		return args // it has to stay the last
	}
	commands, at, takesValue := app.Commands, 1, map[string]bool{}
	for at < len(args) {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.Name == args[at] })
		if i < 0 {
			break
		}
		for _, f := range commands[i].Flags {
			_, isBool := f.(*cli.BoolFlag)
			for _, n := range f.Names() {
				takesValue[n] = !isBool
			}
		}
		commands, at = commands[i].Subcommands, at+1
	}
	var front, back []string
	for rest := args[at:]; len(rest) > 0; rest = rest[1:] {
		name := strings.TrimLeft(rest[0], "-")
		switch {
		case rest[0] == "--":
			back = append(back, rest...)
			return slices.Concat(args[:at], front, back)
		case !strings.HasPrefix(rest[0], "-") || name == "":
			back = append(back, rest[0])
		case takesValue[name] && len(rest) > 1:
			front = append(front, rest[0], rest[1])
			rest = rest[1:]
		default:
			front = append(front, rest[0])
		}
	}
	return slices.Concat(args[:at], front, back)
}

func (p *program) logger(c config) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(p.stderr, opts))
}
