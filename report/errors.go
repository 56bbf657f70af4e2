package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// RequestError says what is wrong with a request: the parameter and, in one
// sentence, the problem with its remedy.
type RequestError struct {
	Param    string // period, from, to, host, protocol, network, line
	Sentence string
}

func (e *RequestError) Error() string { return e.Param + ": " + e.Sentence }

func requestErrorf(param, format string, args ...any) *RequestError {
	return &RequestError{Param: param, Sentence: fmt.Sprintf(format, args...)}
}

// ErrUnavailable is in the chain of an error when ClickHouse cannot be
// reached, does not answer in time or is not set up yet: asking again later
// may help.
var ErrUnavailable = errors.New("ClickHouse does not answer")

// Codes of ClickHouse's exceptions that pass by themselves.
var passing = map[int32]bool{
	32:  true, // the end of what a shard said before it was done
	60:  true, // unknown table: not migrated yet
	81:  true, // unknown database: not migrated yet
	159: true, // timeout exceeded
	202: true, // too many simultaneous queries
	209: true, // socket timeout
	210: true, // network error
	241: true, // memory limit exceeded
	279: true, // a shard does not answer
	394: true, // query was cancelled
	516: true, // authentication failed: the engine restarts with a new password
}

// classify puts ErrUnavailable into the chain where it belongs. A request
// whose client left keeps its own error.
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		return err
	}
	var exception *ch.Exception
	var network net.Error
	switch {
	case errors.As(err, &exception):
		if !passing[exception.Code] {
			return err
		}
	case errors.As(err, &network),
		errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, ch.ErrAcquireConnTimeout), errors.Is(err, ch.ErrAcquireConnNoAddress), errors.Is(err, ch.ErrConnectionClosed):
	default:
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
