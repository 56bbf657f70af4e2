package decode

import (
	"encoding/binary"
	"net/netip"
)

// present is a set of meanings of numbers that a record has: the zero of some
// is not the same as their absence.
type present uint64

const (
	hasOctets         = present(1) << opOctets
	hasPackets        = present(1) << opPackets
	hasOutOctets      = present(1) << opOutOctets
	hasOutPackets     = present(1) << opOutPackets
	hasTotalOctets    = present(1) << opTotalOctets
	hasTotalPackets   = present(1) << opTotalPackets
	hasReverseOctets  = present(1) << opReverseOctets
	hasReversePackets = present(1) << opReversePackets
	hasDirection      = present(1) << opDirection
	hasFirstUptime    = present(1) << opFirstUptime
	hasLastUptime     = present(1) << opLastUptime
	hasSamplerID      = present(1) << opSamplerID
	hasScopeIf        = present(1) << opScopeIf

	// Ranges of meanings that stand beside one another.
	hasCounters     = present(1)<<(opReverseTotalPackets+1) - present(1)<<opOctets
	hasConversation = present(1)<<(opResponderPackets+1) - present(1)<<opInitiatorOctets
	hasInstant      = present(1)<<(opEndDelta+1) - present(1)<<opStartSeconds
	hasSampling     = present(1)<<(opPopulation+1) - present(1)<<opSamplingInterval
)

// counter holds octets and packets as the exporter said them.
type counter struct{ octets, packets uint64 }

// fields is one data record of NetFlow v9 or IPFIX, field by field as the
// exporter said it. It is read by templates again and again: what a record of
// the template last read does not have is zero.
type fields struct {
	template *template
	has      present
	n        [64]uint64                // numbers, by meaning
	address  [opEnd - opSrc]netip.Addr // addresses, by meaning less opSrc; zero = not said
}

// addr returns the address of a meaning, the zero Addr when the record has none.
func (f *fields) addr(o op) netip.Addr { return f.address[o-opSrc] }

// put takes a field whose length fits its meaning. A number that a record holds
// twice counts once: the first that is not zero; flags add up.
func (f *fields) put(o op, v []byte) {
	if o >= opSrc {
		f.putAddress(&f.address[o-opSrc], v)
		return
	}
	f.has |= 1 << o
	number := o.value(v)
	if to := &f.n[o]; o == opTCPFlags || o == opReverseTCPFlags {
		*to |= number
	} else if *to == 0 {
		*to = number
	}
}

// putAddress stores the address unless it is zero, as templates of both
// families fill the other one, and there is one already. Two pairs that are not
// zero are a tunnel's, the outer first (RFC 7011 §8): the inner ends are the
// ones who talk.
func (f *fields) putAddress(to *netip.Addr, v []byte) {
	if a := address(v); !to.IsValid() || !a.IsUnspecified() {
		*to = a
	}
}

// value reads a number of this meaning.
func (o op) value(v []byte) uint64 {
	n := number(v[max(len(v)-int(o.width()), 0):])
	if o == opSamplingInterval || o == opRandomInterval {
		return rateValue(n, v)
	}
	return n
}

// number reads a big-endian integer of 1 to 8 bytes (reduced-size encoding,
// RFC 7011 §6.2).
func number(v []byte) uint64 {
	switch len(v) {
	case 1:
		return uint64(v[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(v))
	case 4:
		return uint64(binary.BigEndian.Uint32(v))
	case 8:
		return binary.BigEndian.Uint64(v)
	}
	var n uint64
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n
}

// address reads an IPv4 or IPv6 address; a mapped one becomes IPv4.
func address(v []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(v)
	return a.Unmap()
}
