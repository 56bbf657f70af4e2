//go:build !nokafka

package kafka

import (
	"context"
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

// client is a writer with connections of its own.
type client struct {
	*kafkago.Writer

	connections *kafkago.Transport
}

// write implements writer.
func (c *client) write(ctx context.Context, texts [][]byte) (left [][]byte, err error) {
	messages := make([]kafkago.Message, len(texts))
	for i, text := range texts {
		messages[i].Value = text
	}
	err = c.WriteMessages(ctx, messages...)
	each, ok := errors.AsType[kafkago.WriteErrors](err)
	if err == nil || !ok || len(each) != len(texts) {
		if err != nil {
			left = texts
		}
		return left, err
	}
	for i, one := range each {
		if one != nil {
			left, err = append(left, texts[i]), one
		}
	}
	return left, err
}

// close ends the writing and the connections.
func (c *client) close() error {
	err := c.Close()
	c.connections.CloseIdleConnections()
	return err
}

// newWriter returns the client. It connects when there is something to write.
func newWriter(c Config) (writer, error) {
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
