package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Config says where flows are handed to and how.
type Config struct {
	Brokers  []string // host:port of some brokers; the others are learnt from them
	Topic    string
	Format   Format
	TLS      bool
	CA       string // file of certificates that brokers are trusted by; empty = the machine's
	Cert     string // file of the ingest's own certificate, for brokers that ask for one
	Key      string // file of its key
	SASL     string // none, plain, scram-sha256 or scram-sha512
	User     string
	Password string
	Buffer   int64 // bytes of memory for what waits; 0 = 64 MiB
}

// Ways to log in to brokers.
const (
	saslNone   = "none"
	saslPlain  = "plain"
	saslSHA256 = "scram-sha256"
	saslSHA512 = "scram-sha512"
)

// On reports whether flows are to be handed to Kafka at all.
func (c Config) On() bool { return len(c.Brokers) > 0 }

// Validate reports everything that is wrong at once.
func (c Config) Validate() error {
	if !c.On() {
		return nil
	}
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Topic == "" {
		wrong("no kafka-topic is set; name the topic that flows go to")
	}
	if c.Format != JSON && c.Format != Protobuf {
		wrong("kafka-format %q is not a format; write json or protobuf", c.Format)
	}
	switch c.SASL {
	case "", saslNone:
		if c.User != "" || c.Password != "" {
			wrong("kafka-user and kafka-password need kafka-sasl; write plain, scram-sha256 or scram-sha512")
		}
	case saslPlain, saslSHA256, saslSHA512:
		if c.User == "" {
			wrong("kafka-sasl %s needs kafka-user and kafka-password", c.SASL)
		}
	default:
		wrong("kafka-sasl %q is not a way to log in; write none, plain, scram-sha256 or scram-sha512", c.SASL)
	}
	if !c.TLS && (c.CA != "" || c.Cert != "" || c.Key != "") {
		wrong("kafka-ca, kafka-cert and kafka-key need kafka-tls")
	}
	if (c.Cert == "") != (c.Key == "") {
		wrong("kafka-cert and kafka-key go together; set both, or none")
	}
	return errors.Join(problems...)
}

// client is a writer with connections of its own.
type client struct {
	*kafkago.Writer

	connections *kafkago.Transport
}

// Close ends the writing and the connections.
func (c *client) Close() error {
	err := c.Writer.Close()
	c.connections.CloseIdleConnections()
	return err
}

// newWriter returns the client. It connects when there is something to write.
func newWriter(c Config) (*client, error) {
	transport := &kafkago.Transport{ClientID: "flattraffic", DialTimeout: 5 * time.Second}
	var err error
	if transport.TLS, err = c.tls(); err != nil {
		return nil, err
	}
	if transport.SASL, err = c.mechanism(); err != nil {
		return nil, err
	}
	return &client{connections: transport, Writer: &kafkago.Writer{
		Addr: kafkago.TCP(c.Brokers...), Topic: c.Topic, Transport: transport,
		RequiredAcks: kafkago.RequireAll, Compression: kafkago.Lz4,
		MaxAttempts: 1, // the producer tries again itself, and says so
		BatchSize:   100_000, BatchBytes: 900_000, BatchTimeout: 10 * time.Millisecond,
		AllowAutoTopicCreation: true,
	}}, nil
}

func (c Config) tls() (*tls.Config, error) {
	if !c.TLS {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read kafka-ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("kafka-ca %s holds no certificate; name a PEM file", c.CA)
		}
	}
	if c.Cert != "" {
		own, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read kafka-cert and kafka-key: %w", err)
		}
		t.Certificates = []tls.Certificate{own}
	}
	return t, nil
}

func (c Config) mechanism() (sasl.Mechanism, error) {
	switch c.SASL {
	case saslPlain:
		return plain.Mechanism{Username: c.User, Password: c.Password}, nil
	case saslSHA256:
		return scram.Mechanism(scram.SHA256, c.User, c.Password)
	case saslSHA512:
		return scram.Mechanism(scram.SHA512, c.User, c.Password)
	}
	return nil, nil
}
