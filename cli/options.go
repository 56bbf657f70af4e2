package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	cli "github.com/urfave/cli/v2"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/ingest/kafka"
)

// config is the effective configuration: defaults, then the file, then the
// environment, then flags.
type config struct {
	ClickHouse     string   // DSN, empty = embedded
	Cluster        string   // name in system.clusters, empty = one server
	ClusterHosts   []string // host:port of each shard; empty = as system.clusters says
	clusterMemory  string   // file that keeps the shards' addresses; set by who may start without them
	Data           string
	ListenHTTP     string
	ListenNetFlow  []string
	ListenSFlow    []string
	FlushInterval  time.Duration
	Workers        int
	SpoolLimit     uint64 // bytes
	EngineMemory   uint64 // bytes, 0 = chosen from the machine
	FSync          bool
	Zone           string
	AdminPassword  string
	AllowedHosts   []string
	TrustedProxies []netip.Prefix
	PublicReports  bool
	PublicMetrics  bool
	LeaseFiles     []string
	LogLevel       slog.Level
	LogFormat      string
	Dev            bool
	Kafka          kafka.Config
}

// option is one line of the table that makes flags, environment variables,
// file keys, `config show` and the documentation.
type option struct {
	name   string // flag and file key; FLATTRAFFIC_NAME in the environment
	usage  string
	def    []string
	list   bool
	toggle bool
	secret bool
	set    func(*config, []string) error
}

func (o option) env() string {
	return "FLATTRAFFIC_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// options is the table, in the order people read it.
func options() []option {
	return []option{
		{name: "clickhouse", secret: true, usage: "ClickHouse to use, as `DSN` clickhouse://user:password@host:9000/database (none: an embedded one is started)", set: setClickHouse},
		{name: "cluster", usage: "ClickHouse cluster to spread the database over, by the `NAME` that the server of --clickhouse knows it by (none: one server)", set: text(func(c *config) *string { return &c.Cluster })},
		{name: "cluster-hosts", list: true, usage: "`ADDR` of each shard, host:port, in the order of the cluster, where they are reached by others than the servers' own (repeatable)", set: setClusterHosts},
		{name: "data", usage: "directory `DIR` for the embedded ClickHouse, the spool and templates", def: []string{"data"}, set: text(func(c *config) *string { return &c.Data })},
		{name: "listen-http", usage: "`ADDR` of the web pages", def: []string{"127.0.0.1:8080"}, set: setListenHTTP},
		{name: "listen-netflow", usage: "UDP `ADDR` for NetFlow v5, v9 and IPFIX (repeatable)", def: []string{":2055", ":4739"}, list: true, set: addresses(func(c *config) *[]string { return &c.ListenNetFlow })},
		{name: "listen-sflow", usage: "UDP `ADDR` for sFlow v5 (repeatable)", def: []string{":6343"}, list: true, set: addresses(func(c *config) *[]string { return &c.ListenSFlow })},
		{name: "flush-interval", usage: "longest `TIME` a flow waits in memory before it is written", def: []string{"1s"}, set: setFlushInterval},
		{name: "workers", usage: "decoding workers, `N` (0: one a core)", def: []string{"0"}, set: setWorkers},
		{name: "spool-limit", usage: "disk `SIZE` that may hold flows while ClickHouse is away", def: []string{"2 GB"}, set: size(func(c *config) *uint64 { return &c.SpoolLimit })},
		{name: "engine-memory", usage: "memory cap `SIZE` of the embedded ClickHouse (0: chosen from the machine)", def: []string{"0"}, set: size(func(c *config) *uint64 { return &c.EngineMemory })},
		{name: "fsync", toggle: true, usage: "write through to the disk on every insert: survives power loss, costs 10 to 40 % of insert speed", def: []string{"false"}, set: toggle(func(c *config) *bool { return &c.FSync })},
		{name: "zone", usage: "time `ZONE` of the first plan, until it is set in the browser (none: this machine's)", def: []string{""}, set: setZone},
		{name: "admin-password", secret: true, usage: "`PASSWORD` of the account admin; it is set at every start, and the browser cannot change it", set: text(func(c *config) *string { return &c.AdminPassword })},
		{name: "allowed-hosts", list: true, usage: "`NAME` by which browsers may call this server, beside addresses, localhost and the machine's name (repeatable)", set: list(func(c *config) *[]string { return &c.AllowedHosts })},
		{name: "trusted-proxies", list: true, usage: "address or `CIDR` of a reverse proxy whose X-Forwarded headers count (repeatable)", set: setTrustedProxies},
		{name: "public-reports", toggle: true, usage: "let everyone who reaches the pages read the reports without a login", def: []string{"false"}, set: toggle(func(c *config) *bool { return &c.PublicReports })},
		{name: "public-metrics", toggle: true, usage: "let everyone who reaches the server read /metrics without a login", def: []string{"false"}, set: toggle(func(c *config) *bool { return &c.PublicMetrics })},
		{name: "lease-files", list: true, usage: "DHCP lease `FILE` of dnsmasq, Kea (CSV) or ISC dhcpd, for host names (repeatable)", set: list(func(c *config) *[]string { return &c.LeaseFiles })},
		{name: "kafka-brokers", list: true, usage: "`ADDR` of a Kafka broker, host:port, to hand flows to beside ClickHouse (repeatable; none: off)", set: setBrokers},
		{name: "kafka-topic", usage: "`TOPIC` that flows go to", def: []string{"flows"}, set: text(func(c *config) *string { return &c.Kafka.Topic })},
		{name: "kafka-format", usage: "`FORMAT` of flows, goflow2's: json, or protobuf with the length before each", def: []string{"json"}, set: text(func(c *config) *string { return (*string)(&c.Kafka.Format) })},
		{name: "kafka-tls", toggle: true, usage: "speak TLS to the brokers", def: []string{"false"}, set: toggle(func(c *config) *bool { return &c.Kafka.TLS })},
		{name: "kafka-ca", usage: "`FILE` of the certificates that brokers are trusted by (none: this machine's)", set: text(func(c *config) *string { return &c.Kafka.CA })},
		{name: "kafka-cert", usage: "`FILE` of a certificate to show to brokers", set: text(func(c *config) *string { return &c.Kafka.Cert })},
		{name: "kafka-key", usage: "`FILE` of its key", set: text(func(c *config) *string { return &c.Kafka.Key })},
		{name: "kafka-sasl", usage: "`WAY` to log in to brokers: none, plain, scram-sha256 or scram-sha512", def: []string{"none"}, set: text(func(c *config) *string { return &c.Kafka.SASL })},
		{name: "kafka-user", usage: "`NAME` to log in to brokers", set: text(func(c *config) *string { return &c.Kafka.User })},
		{name: "kafka-password", secret: true, usage: "`PASSWORD` to log in to brokers", set: text(func(c *config) *string { return &c.Kafka.Password })},
		{name: "log-level", usage: "`LEVEL`: debug, info, warn or error", def: []string{"info"}, set: setLogLevel},
		{name: "log-format", usage: "`FORMAT`: text or json", def: []string{"text"}, set: setLogFormat},
		{name: "dev", toggle: true, usage: "read templates from the source tree at every request", def: []string{"false"}, set: toggle(func(c *config) *bool { return &c.Dev })},
	}
}

// only returns the options with the given names.
func only(names ...string) []option {
	var out []option
	for _, o := range options() {
		if slices.Contains(names, o.name) {
			out = append(out, o)
		}
	}
	return out
}

// flags makes command line flags of options, and --config.
func flags(opts []option) []cli.Flag {
	out := []cli.Flag{&cli.StringFlag{Name: "config", Usage: "TOML `FILE` with settings named like the flags", EnvVars: []string{"FLATTRAFFIC_CONFIG"}}}
	for _, o := range opts {
		switch env := []string{o.env()}; {
		case o.toggle:
			out = append(out, &cli.BoolFlag{Name: o.name, Usage: o.usage, EnvVars: env})
		case o.list:
			out = append(out, &cli.StringSliceFlag{Name: o.name, Usage: o.usage, EnvVars: env, DefaultText: strings.Join(o.def, ", ")})
		default:
			out = append(out, &cli.StringFlag{Name: o.name, Usage: o.usage, EnvVars: env, DefaultText: strings.Join(o.def, ", ")})
		}
	}
	return out
}

// effective is the configuration with the source of each value.
type effective struct {
	config
	values  map[string][]string
	sources map[string]string // default, file, environment or flag
}

// loadConfig merges the sources and reports every problem at once.
func loadConfig(c *cli.Context) (*effective, error) {
	e := &effective{values: map[string][]string{}, sources: map[string]string{}}
	file, err := readConfigFile(lineageString(c, "config"))
	if err != nil {
		return nil, usageError{err}
	}
	var problems []error
	for _, o := range options() {
		values, source, err := o.find(c, file)
		if err == nil {
			err = o.set(&e.config, values)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s (from %s): %w", o.name, source, err))
		}
		e.values[o.name], e.sources[o.name] = values, source
	}
	if err := e.Kafka.Validate(); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, usageError{errors.Join(problems...)}
	}
	return e, nil
}

// find returns the value of the strongest source that has one.
func (o option) find(c *cli.Context, file map[string][]string) (values []string, source string, err error) {
	for _, level := range c.Lineage() {
		if level.Command == nil && level.App == nil || !level.IsSet(o.name) {
			continue
		}
		switch {
		case o.toggle:
			values = []string{strconv.FormatBool(level.Bool(o.name))}
		case o.list:
			values = level.StringSlice(o.name)
		default:
			values = []string{level.String(o.name)}
		}
		if os.Getenv(o.env()) != "" && strings.Join(values, ",") == os.Getenv(o.env()) {
			return values, "environment " + o.env(), nil
		}
		return values, "flag --" + o.name, nil
	}
	if path := os.Getenv(o.env() + "_FILE"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, "environment " + o.env() + "_FILE", fmt.Errorf("%w; name a file that can be read", err)
		}
		return []string{strings.TrimRight(string(text), "\r\n")}, "environment " + o.env() + "_FILE", nil
	}
	if values, ok := file[o.name]; ok {
		return values, "file", nil
	}
	return o.def, "default", nil
}

// readConfigFile reads the TOML file; an unknown key is an error that lists
// the known ones.
func readConfigFile(path string) (map[string][]string, error) {
	if path == "" {
		return nil, nil
	}
	raw := map[string]any{}
	if _, err := toml.DecodeFile(path, &raw); err != nil {
		return nil, fmt.Errorf("read the configuration file %s: %w", path, err)
	}
	known := map[string]option{}
	var names []string
	for _, o := range options() {
		known[o.name] = o
		names = append(names, o.name)
	}
	out := map[string][]string{}
	for key, value := range raw {
		o, ok := known[key]
		if !ok {
			return nil, fmt.Errorf("the configuration file %s has an unknown key %q; the keys are %s", path, key, strings.Join(names, ", "))
		}
		switch v := value.(type) {
		case []any:
			if !o.list {
				return nil, fmt.Errorf("the configuration file %s: %s takes one value, not a list", path, key)
			}
			out[key] = []string{}
			for _, item := range v {
				out[key] = append(out[key], fmt.Sprint(item))
			}
		case map[string]any:
			return nil, fmt.Errorf("the configuration file %s has a section [%s]; all keys stand at the top level", path, key)
		default:
			out[key] = []string{fmt.Sprint(v)}
		}
	}
	return out, nil
}

func lineageString(c *cli.Context, name string) string {
	for _, level := range c.Lineage() {
		if level.IsSet(name) {
			return level.String(name)
		}
	}
	return ""
}

func first(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return strings.TrimSpace(v[0])
}

func text(field func(*config) *string) func(*config, []string) error {
	return func(c *config, v []string) error { *field(c) = first(v); return nil }
}

func list(field func(*config) *[]string) func(*config, []string) error {
	return func(c *config, v []string) error {
		for _, s := range v {
			if s = strings.TrimSpace(s); s != "" {
				*field(c) = append(*field(c), s)
			}
		}
		return nil
	}
}

func toggle(field func(*config) *bool) func(*config, []string) error {
	return func(c *config, v []string) (err error) {
		if *field(c), err = strconv.ParseBool(first(v)); err != nil {
			return fmt.Errorf("%q is neither true nor false", first(v))
		}
		return nil
	}
}

func size(field func(*config) *uint64) func(*config, []string) error {
	return func(c *config, v []string) (err error) {
		if first(v) == "0" {
			*field(c) = 0
			return nil
		}
		*field(c), _, err = billing.ParseSize(first(v))
		return err
	}
}

// dialable is where a program on this machine reaches what listens on a
// checked address.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not an address; write host:port, for example 127.0.0.1:8080, or :8080 for all of this machine's addresses", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || (n == 0 && port != "0") {
		return fmt.Errorf("%q has no port from 0 to 65535", s)
	}
	if _, err := netip.ParseAddr(host); host != "" && host != "localhost" && err != nil {
		return fmt.Errorf("%q: %q is not an IP address of this machine", s, host)
	}
	return nil
}

func addresses(field func(*config) *[]string) func(*config, []string) error {
	return func(c *config, v []string) error {
		for _, s := range v {
			if s = strings.TrimSpace(s); s == "" || s == "off" {
				continue
			}
			if err := checkAddress(s); err != nil {
				return err
			}
			*field(c) = append(*field(c), s)
		}
		return nil
	}
}

func setListenHTTP(c *config, v []string) error {
	c.ListenHTTP = first(v)
	return checkAddress(c.ListenHTTP)
}

func setClickHouse(c *config, v []string) error {
	c.ClickHouse = first(v)
	if c.ClickHouse == "" {
		return nil
	}
	_, err := clickhouse.ParseDSN(c.ClickHouse)
	return err
}

// setClusterHosts takes addresses that need not be of this machine.
func setClusterHosts(c *config, v []string) error {
	for _, s := range v {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if host, _, err := net.SplitHostPort(s); err != nil || host == "" {
			return fmt.Errorf("%q is not the address of a shard; write host:port, for example clickhouse2:9000", s)
		}
		c.ClusterHosts = append(c.ClusterHosts, s)
	}
	return nil
}

// setBrokers takes addresses that need not be of this machine.
func setBrokers(c *config, v []string) error {
	for _, s := range v {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if host, _, err := net.SplitHostPort(s); err != nil || host == "" {
			return fmt.Errorf("%q is not the address of a broker; write host:port, for example kafka:9092", s)
		}
		c.Kafka.Brokers = append(c.Kafka.Brokers, s)
	}
	return nil
}

func setFlushInterval(c *config, v []string) (err error) {
	if c.FlushInterval, err = time.ParseDuration(first(v)); err != nil || c.FlushInterval < 100*time.Millisecond || c.FlushInterval > time.Minute {
		return fmt.Errorf("%q is not a time from 100ms to 1m; write for example 1s", first(v))
	}
	return nil
}

func setWorkers(c *config, v []string) (err error) {
	if c.Workers, err = strconv.Atoi(first(v)); err != nil || c.Workers < 0 || c.Workers > 256 {
		return fmt.Errorf("%q is not a number from 0 to 256", first(v))
	}
	return nil
}

func setZone(c *config, v []string) error {
	c.Zone = first(v)
	if _, err := time.LoadLocation(c.Zone); err != nil {
		return fmt.Errorf("%q is not a time zone; write a name such as Europe/Berlin", c.Zone)
	}
	return nil
}

func setTrustedProxies(c *config, v []string) error {
	for _, s := range v {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, aerr := netip.ParseAddr(s)
			if aerr != nil {
				return fmt.Errorf("%q is neither an address nor a CIDR range", s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		c.TrustedProxies = append(c.TrustedProxies, p.Masked())
	}
	return nil
}

func setLogLevel(c *config, v []string) error {
	if err := c.LogLevel.UnmarshalText([]byte(first(v))); err != nil {
		return fmt.Errorf("%q is not a level; write debug, info, warn or error", first(v))
	}
	return nil
}

func setLogFormat(c *config, v []string) error {
	if c.LogFormat = first(v); c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("%q is not a format; write text or json", c.LogFormat)
	}
	return nil
}
