// Command bench measures the built program from outside, beside nfdump and the
// plain way of doing the same, and writes docs/benchmarks.md. make bench runs
// it; its parts can be run alone while something is being made faster.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	binary string // the program to be measured
	engine string // the library of its embedded ClickHouse
	work   string // directory for data, on the disk to be measured
	out    string // file to write, empty = standard output
	parts  []string

	rate        int           // flows a second offered to the ingest
	duration    time.Duration // how long they are offered
	years       []int         // lengths of the household's history
	flowsPerDay int           // of the household
	ispDays     int
	ispPerDay   int
	requests    int  // timed requests a page
	cold        bool // each page also asked of a cold program
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == plainCommand {
		return plain(ctx, args[1])
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.work, 0o750); err != nil {
		return fmt.Errorf("make the working directory: %w", err)
	}
	b := &bench{options: o, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	var text strings.Builder
	b.intro(&text)
	for _, p := range parts {
		if !slices.Contains(o.parts, p.name) {
			continue
		}
		b.log.Info("measuring", "part", p.name)
		section, err := p.run(ctx, b)
		if err != nil {
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
		text.WriteString("\n" + section)
		if o.out == "" {
			continue
		}
		if err := os.WriteFile(o.out, []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	if o.out == "" {
		_, err = os.Stdout.WriteString(text.String())
	}
	return err
}

// part is one section of the document.
type part struct {
	name string
	run  func(context.Context, *bench) (string, error)
}

var parts = []part{
	{"ingest", measureIngest},
	{"decode", measureDecode},
	{"history", measureHistory},
	{"isp", measureISP},
}

// bench is one run.
type bench struct {
	options

	log *slog.Logger
}

func parse(args []string) (options, error) {
	o := options{}
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	var only, years string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "bin/flattraffic", "the program to measure")
	f.StringVar(&o.engine, "engine", "bin/engine/libchdb.so", "the library of its embedded ClickHouse")
	f.StringVar(&o.work, "work", "bench.data", "directory for data; what is in it is used again")
	f.StringVar(&o.out, "out", "", "file to write (default: standard output)")
	f.StringVar(&only, "only", strings.Join(names, ","), "parts to measure")
	f.IntVar(&o.rate, "rate", 320_000, "flows a second offered to the ingest")
	f.DurationVar(&o.duration, "duration", time.Minute, "how long flows are offered")
	f.StringVar(&years, "years", "1,2,5,10", "lengths of the household's history")
	f.IntVar(&o.flowsPerDay, "flows-per-day", 176_000, "flows a day of the household")
	f.IntVar(&o.ispDays, "isp-days", 30, "days of the provider's history")
	f.IntVar(&o.ispPerDay, "isp-flows-per-day", 2_000_000, "flows a day of the provider")
	f.IntVar(&o.requests, "requests", 100, "timed requests a page")
	f.BoolVar(&o.cold, "cold", true, "ask each page of a cold program too; empties the machine's cache of files")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.parts = strings.Split(only, ",")
	for _, name := range o.parts {
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("there is no part %q; choose of %s", name, strings.Join(names, ", "))
		}
	}
	for text := range strings.SplitSeq(years, ",") {
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil || n < 1 || n > 20 {
			return o, fmt.Errorf("%q is no number of years from 1 to 20", text)
		}
		o.years = append(o.years, n)
	}
	slices.Sort(o.years)
	var err error
	for _, path := range []*string{&o.binary, &o.engine, &o.work} {
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	if _, err := os.Stat(o.binary); err != nil {
		return o, fmt.Errorf("the program to measure is not there: %w; run make build", err)
	}
	return o, nil
}
