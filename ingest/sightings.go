package ingest

import (
	"net/netip"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/deliver"
)

const (
	maxSightings  = 1 << 16   // pairs of address and MAC remembered
	sightingEvery = time.Hour // how often a pair that is still seen is written
)

// sighting is a local address together with a MAC.
type sighting struct {
	address netip.Addr
	mac     uint64
}

// sightings collects which addresses a worker sees with which MACs. It is
// bounded: when it is full it begins anew, which costs some repeated rows.
type sightings struct {
	written map[sighting]int64 // Unix seconds when the pair was last handed on
	fresh   map[sighting]int64 // Unix seconds when the pair was seen
}

func newSightings() *sightings {
	return &sightings{written: map[sighting]int64{}, fresh: map[sighting]int64{}}
}

// note takes the source of what local hosts send: only there is the MAC that of
// the host and not that of a router on the way.
func (s *sightings) note(row *deliver.Row) {
	if row.Ends.HostMAC == 0 || row.Ends.Direction != flow.Sent && row.Ends.Direction != flow.Internal {
		return
	}
	k, at := sighting{row.Ends.Host, row.Ends.HostMAC}, row.Record.ReceivedMs/1000
	if last, ok := s.written[k]; ok && at-last < int64(sightingEvery/time.Second) {
		return
	}
	if len(s.written) >= maxSightings {
		clear(s.written)
	}
	if len(s.fresh) < maxSightings {
		s.written[k], s.fresh[k] = at, at
	}
}

// take removes and returns what is to be written.
func (s *sightings) take() map[sighting]int64 {
	if len(s.fresh) == 0 {
		return nil
	}
	fresh := s.fresh
	s.fresh = map[sighting]int64{}
	return fresh
}

// writeAddresses sends the sightings; refused ones wait for the next time. The
// caller holds mu.
func (s *stateTable) writeAddresses() {
	if len(s.sightings) == 0 {
		return
	}
	var (
		addresses   proto.ColIPv6
		macs        proto.ColUInt64
		first, last proto.ColUInt32 // ClickHouse makes DateTime of Unix seconds
	)
	for k, at := range s.sightings {
		addresses = append(addresses, k.address.As16())
		macs = append(macs, k.mac)
		first = append(first, uint32(at))
		last = append(last, uint32(at))
	}
	err := s.out.Insert("addresses", proto.Input{
		{Name: "address", Data: &addresses},
		{Name: "mac", Data: &macs},
		{Name: "first_seen", Data: &first},
		{Name: "last_seen", Data: &last},
	})
	if err == nil {
		clear(s.sightings)
	}
}
