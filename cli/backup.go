package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ClickHouse/ch-go"
	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/backup"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/schema"
)

// eachShard is how a cluster is backed up and restored.
const eachShard = "run it for each shard, without --cluster and with the shard's DSN in --clickhouse"

func (p *program) backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "write the whole database, as of one instant, to FILE (- for standard output) while everything goes on",
		ArgsUsage: "FILE",
		Flags:     flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "zone", "log-level", "log-format")),
		Action:    p.backup,
	}
}

func (p *program) restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "read a backup from FILE (- for standard input) into a database without flows, and verify it",
		ArgsUsage: "FILE",
		Flags:     flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "log-level", "log-format")),
		Action:    p.restore,
	}
}

// oneFile returns the one argument of a command.
func oneFile(c *cli.Context) (string, error) {
	if c.NArg() != 1 {
		return "", usageError{fmt.Errorf("%s takes the name of one file, or -", c.Command.Name)}
	}
	return c.Args().First(), nil
}

func dialer(dsn string) (backup.Dial, error) {
	dial, err := deliver.Dialer(dsn)
	return func(ctx context.Context) (*ch.Client, error) { return dial(ctx) }, err
}

func (p *program) backup(c *cli.Context) error {
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	e, err := loadConfig(c)
	if err != nil {
		return err
	}
	if err := notOnCluster(e.config, eachShard); err != nil {
		return err
	}
	return p.withDatabase(c, e, func(s *siteAccess) error {
		if err := schema.Apply(c.Context, s.Home, schema.Options{DSN: s.dsn, Zone: s.cfg.zone().String()}); err != nil {
			return err
		}
		dial, err := dialer(s.dsn)
		if err != nil {
			return err
		}
		bar := p.progress("backup")
		var totals backup.Totals
		err = p.writeOutput(path, func(w io.Writer) error {
			totals, err = backup.Write(c.Context, s.Home, dial, version(), w, bar.set)
			return err
		})
		bar.done()
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "backed up %d flows, %d bytes of traffic\n", totals.Rows["flows"], totals.Bytes)
		return nil
	})
}

// writeOutput writes a file that takes its name only when it is whole, and
// that only its owner may read; or standard output for "-".
func (p *program) writeOutput(path string, write func(io.Writer) error) error {
	if path == "-" {
		return write(p.stdout)
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return fmt.Errorf("%w; name a file in a directory that can be written", err)
	}
	err = errors.Join(write(file), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func (p *program) restore(c *cli.Context) (err error) {
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	input := p.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("%w; name a file that can be read", err)
		}
		defer file.Close()
		input = file
	}
	e, err := loadConfig(c)
	if err != nil {
		return err
	}
	if err := notOnCluster(e.config, eachShard); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: max(e.LogLevel, slog.LevelWarn)}))
	db, err := p.openDatabase(c.Context, e.config, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.stop()) }()
	dial, err := dialer(db.dsn)
	if err != nil {
		return err
	}
	bar := p.progress("restore")
	manifest, totals, err := backup.Restore(c.Context, db.Home, dial, db.dsn, input, bar.set)
	bar.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "restored %d flows, %d bytes of traffic, as of %s\n", totals.Rows["flows"], totals.Bytes, manifest.MadeAt.Local().Format("2006-01-02 15:04:05"))
	result, err := schema.Verify(c.Context, db.Home, schema.VerifyOptions{}, nil)
	if err != nil {
		return err
	}
	return p.verified(result)
}
