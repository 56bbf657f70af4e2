package flow

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

//go:embed services.csv
var servicesCSV string

//go:embed protocols.csv
var protocolsCSV string

// Service is what a port usually means. A guess: any program may use any port.
type Service struct {
	Protocol uint8  // IP protocol number
	Port     uint16 // > 0
	Name     string // lower case, as in the protocol filter: https
	Title    string // for people: HTTPS
	Category string // group in plain words: Web
}

// Protocol is the name of an IP protocol.
type Protocol struct {
	Number uint8
	Name   string // lower case: tcp
	Title  string // for people: TCP
}

// Services is the table of known services and protocols.
type Services struct {
	list      []Service
	protocols []Protocol
	known     [256]*ports // by protocol; nil = one without services
	byPort    map[[2]uint16]int
	byNumber  map[uint8]int
}

// ports is a set of port numbers, a bit each: small enough to stay in a
// processor's cache, as every flow is looked up in it.
type ports [1 << 16 / 64]uint64

func (p *ports) add(port uint16)      { p[port/64] |= 1 << (port % 64) }
func (p *ports) has(port uint16) bool { return p[port/64]&(1<<(port%64)) != 0 }

// NewServices reads the table built into the program.
func NewServices() (*Services, error) {
	s := &Services{byPort: map[[2]uint16]int{}, byNumber: map[uint8]int{}}
	rows, err := csv.NewReader(strings.NewReader(protocolsCSV)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read protocols.csv: %w", err)
	}
	numbers := map[string]uint8{}
	for _, row := range rows[1:] {
		n, err := strconv.ParseUint(row[0], 10, 8)
		if err != nil {
			return nil, fmt.Errorf("read protocols.csv: %w", err)
		}
		numbers[row[1]] = uint8(n)
		s.byNumber[uint8(n)] = len(s.protocols)
		s.protocols = append(s.protocols, Protocol{uint8(n), row[1], row[2]})
	}
	rows, err = csv.NewReader(strings.NewReader(servicesCSV)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read services.csv: %w", err)
	}
	for _, row := range rows[1:] {
		port, err := strconv.ParseUint(row[1], 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("read services.csv: bad port %q", row[1])
		}
		p, ok := numbers[row[0]]
		if !ok {
			return nil, fmt.Errorf("read services.csv: unknown protocol %q", row[0])
		}
		s.byPort[[2]uint16{uint16(p), uint16(port)}] = len(s.list)
		s.list = append(s.list, Service{p, uint16(port), row[2], row[3], row[4]})
		if s.known[p] == nil {
			s.known[p] = new(ports)
		}
		s.known[p].add(uint16(port))
	}
	return s, nil
}

// All returns the services ordered as in the table.
func (s *Services) All() []Service { return slices.Clone(s.list) }

// Protocols returns the named IP protocols by number.
func (s *Services) Protocols() []Protocol { return slices.Clone(s.protocols) }

// Of returns the port that names the service of a flow: the one of the two
// that is in the table, the lower number when both are, 0 ("Other") when
// neither is.
func (s *Services) Of(protocol uint8, a, b uint16) uint16 {
	known := s.known[protocol]
	if known == nil {
		return 0
	}
	if a > b {
		a, b = b, a
	}
	switch {
	case known.has(a):
		return a
	case known.has(b):
		return b
	}
	return 0
}

// Lookup returns the service of a protocol and port.
func (s *Services) Lookup(protocol uint8, port uint16) (Service, bool) {
	i, ok := s.byPort[[2]uint16{uint16(protocol), port}]
	if !ok {
		return Service{}, false
	}
	return s.list[i], true
}

// Protocol returns the protocol with a number; one without a name gets its
// number as name.
func (s *Services) Protocol(number uint8) Protocol {
	if i, ok := s.byNumber[number]; ok {
		return s.protocols[i]
	}
	n := strconv.Itoa(int(number))
	return Protocol{number, n, "Protocol " + n}
}
