package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"go.uber.org/goleak"

	"github.com/flattraffic/flattraffic/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster starts brokers that speak Kafka's protocol, with a topic of three
// partitions.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2), kfake.SeedTopics(3, "flows")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// run starts a producer; stop ends it.
func run(t *testing.T, cfg Config) (p *Producer, stop func()) {
	t.Helper()
	p, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return p, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the producer ended with %v", err)
		}
	}
}

// consume reads a number of messages with another client, in any order.
func consume(t *testing.T, brokers []string, n int, opts ...kgo.Opt) []string {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ConsumeTopics("flows"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out []string
	for len(out) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d messages: %v", len(out), err)
		}
		fetches.EachRecord(func(r *kgo.Record) { out = append(out, string(r.Value)) })
	}
	slices.Sort(out)
	return out
}

// written are flows as messages, in the order that consume returns.
func written(format Format, flows []flow.Record) []string {
	var out []string
	for i := range flows {
		out = append(out, string(newEncoder(format).append(nil, &flows[i])))
	}
	slices.Sort(out)
	return out
}

// Flows come out of real brokers' protocol as they went in, by every way to
// connect.
func TestHandOver(t *testing.T) {
	server, ca := certificate(t)
	user := func(mechanism string) kfake.Opt { return kfake.Superuser(mechanism, "ingest", "s3cret") }
	tests := map[string]struct {
		opts   []kfake.Opt
		cfg    Config
		client []kgo.Opt
	}{
		"json":     {cfg: Config{Format: JSON}},
		"protobuf": {cfg: Config{Format: Protobuf}},
		"tls":      {opts: []kfake.Opt{kfake.TLS(server)}, cfg: Config{Format: JSON, TLS: true, CA: ca}, client: []kgo.Opt{kgo.DialTLSConfig(trusting(t, ca))}},
		"scram": {
			opts: []kfake.Opt{kfake.EnableSASL(), user("SCRAM-SHA-512")}, cfg: Config{Format: JSON, SASL: "scram-sha512", User: "ingest", Password: "s3cret"},
			client: []kgo.Opt{kgo.SASL(scram.Auth{User: "ingest", Pass: "s3cret"}.AsSha512Mechanism())},
		},
		"plain": {
			opts: []kfake.Opt{kfake.EnableSASL(), user("PLAIN"), user("SCRAM-SHA-256")}, cfg: Config{Format: JSON, SASL: "plain", User: "ingest", Password: "s3cret"},
			client: []kgo.Opt{kgo.SASL(scram.Auth{User: "ingest", Pass: "s3cret"}.AsSha256Mechanism())},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			brokers := cluster(t, tt.opts...).ListenAddrs()
			tt.cfg.Brokers, tt.cfg.Topic = brokers, "flows"
			p, stop := run(t, tt.cfg)
			flows := records()
			p.Offer(flows[:100])
			p.Offer(flows[100:])
			got := consume(t, brokers, len(flows), tt.client...)
			stop()
			if !slices.Equal(got, written(tt.cfg.Format, flows)) {
				t.Errorf("%d messages came out that are not those of the %d flows", len(got), len(flows))
			}
			if s := p.Stats(); s != (Stats{HandedOver: uint64(len(flows))}) {
				t.Errorf("got %+v, want all handed over", s)
			}
		})
	}
}

// While brokers are away flows wait, up to the bound; when they come all that
// waited is handed over, and the rest was counted.
func TestBrokersAway(t *testing.T) {
	port := freePort(t)
	flows := records()
	p, stop := run(t, Config{Brokers: []string{net.JoinHostPort("127.0.0.1", port)}, Topic: "flows", Format: JSON, Buffer: 1 << 20})
	for range 100 {
		p.Offer(flows)
	}
	s := p.Stats()
	if s.Dropped == 0 || s.Waiting == 0 || s.Waiting+s.Dropped != uint64(100*len(flows)) || s.Bytes > 1<<20+chunkBytes {
		t.Errorf("got %+v, want about 1 MiB to wait and the others dropped", s)
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	c := cluster(t, kfake.NumBrokers(1), kfake.Ports(number))
	consume(t, c.ListenAddrs(), int(s.Waiting))
	stop()
	if got := p.Stats(); got.HandedOver != s.Waiting || got.Dropped != s.Dropped || got.Bytes != 0 {
		t.Errorf("after brokers came: got %+v, want %d handed over", got, s.Waiting)
	}
}

// fakeWriter answers as it is told.
type fakeWriter func(messages [][]byte) (left [][]byte, err error)

func (f fakeWriter) write(_ context.Context, messages [][]byte) ([][]byte, error) {
	return f(messages)
}
func (f fakeWriter) close() error { return nil }

// Of a try that failed in part, only what failed is sent again; a stop counts
// what never went.
func TestPartlyFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []int
		w := fakeWriter(func(messages [][]byte) ([][]byte, error) {
			tries = append(tries, len(messages))
			return messages[:2], errors.New("no leader")
		})
		p := newProducer(Config{Brokers: []string{"nowhere:1"}, Topic: "flows", Format: JSON}, w, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		p.Offer(records()[:10])
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		p.Offer(records()[:3])
		if len(tries) < 5 || tries[0] != 10 || slices.Max(tries[1:]) != 2 {
			t.Errorf("got tries of %v messages, want 10, then 2 each time", tries)
		}
		if got, want := p.Stats(), (Stats{HandedOver: 8, Dropped: 5}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestValidate(t *testing.T) {
	good := Config{Brokers: []string{"kafka:9092"}, Topic: "flows", Format: JSON}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"good":            {func(*Config) {}, ""},
		"off":             {func(c *Config) { *c = Config{Format: "xml"} }, ""},
		"topic":           {func(c *Config) { c.Topic = "" }, "no kafka-topic is set"},
		"format":          {func(c *Config) { c.Format = "xml" }, "write json or protobuf"},
		"sasl":            {func(c *Config) { c.SASL = "gssapi" }, "write none, plain, scram-sha256 or scram-sha512"},
		"no user":         {func(c *Config) { c.SASL = "plain" }, "needs kafka-user and kafka-password"},
		"no sasl":         {func(c *Config) { c.User = "x" }, "need kafka-sasl"},
		"no tls":          {func(c *Config) { c.CA = "ca.pem" }, "need kafka-tls"},
		"key alone":       {func(c *Config) { c.TLS, c.Key = true, "key.pem" }, "go together"},
		"several at once": {func(c *Config) { c.Topic, c.Format = "", "" }, "no kafka-topic is set; name the topic that flows go to\nkafka-format"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tt.change(&c)
			switch err := c.Validate(); {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// freePort is a port that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// certificate makes brokers' certificate and the file that trusts it.
func certificate(t *testing.T) (server *tls.Config, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, ca
}

func trusting(t *testing.T, ca string) *tls.Config {
	t.Helper()
	c, err := Config{TLS: true, CA: ca}.tls()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
