package kafka

import (
	"errors"
	"fmt"
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
