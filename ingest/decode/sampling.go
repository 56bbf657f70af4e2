package decode

import (
	"math"
	"math/bits"
	"slices"
)

// maxRate is the largest sampling rate believed. Real ones end at some ten
// thousand; what is above is a misread field and would invent traffic.
const maxRate = 1 << 24

// maxCounter is the largest number of octets or packets believed of one
// record: 7 days at 950 Gbit/s.
const maxCounter = uint64(1) << 56

// rate is one of num packets over den, num ≥ den ≥ 1; the zero rate is "not
// known".
type rate struct{ num, den uint64 }

var unsampled = rate{1, 1}

// newRate returns the rate num/den, or none when it cannot be one.
func newRate(num, den uint64) rate {
	if den == 0 || num < den || num/den > maxRate {
		return rate{}
	}
	return rate{num, den}
}

func (r rate) known() bool { return r.den != 0 }

// scale multiplies a counter; ok is false when the product is not believable.
func (r rate) scale(n uint64) (scaled uint64, ok bool) {
	if r.num == r.den {
		return n, n <= maxCounter
	}
	hi, lo := bits.Mul64(n, r.num)
	if hi >= r.den {
		return 0, false
	}
	scaled, rest := bits.Div64(hi, lo, r.den)
	if rest >= r.den-rest {
		scaled++
	}
	return scaled, scaled <= maxCounter
}

// shown returns the rate as a whole number, rounded.
func (r rate) shown() uint32 {
	n := (r.num + r.den/2) / r.den
	return uint32(min(max(n, 1), math.MaxUint32))
}

// rateValue undoes RouterOS 6's byte order. It sends the sampling interval with
// the low byte first; in four bytes a value whose lower three are zero is
// certainly that, for a rate of 16 million and more is none.
func rateValue(n uint64, v []byte) uint64 {
	if len(v) == 4 && n&0xffffff == 0 {
		return n >> 24
	}
	return n
}

// rate returns the sampling rate that a record or options record itself states.
// Elements 305 and 306 are "take N packets, skip M"; 309 and 310 "N out of M".
// A 305 alone is the rate where nothing better is said: Cisco sends one of 1
// beside 309 and 310.
func (f *fields) rate() rate {
	if f.has&hasSampling == 0 {
		return rate{}
	}
	n := &f.n
	switch {
	case n[opPacketInterval] != 0 && n[opPacketSpace] != 0:
		return newRate(n[opPacketInterval]+n[opPacketSpace], n[opPacketInterval])
	case n[opSampleSize] != 0 && n[opPopulation] != 0:
		return newRate(n[opPopulation], n[opSampleSize])
	case n[opRandomInterval] != 0:
		return newRate(n[opRandomInterval], 1)
	case n[opSamplingInterval] != 0:
		return newRate(n[opSamplingInterval], 1)
	case n[opPacketInterval] != 0:
		return newRate(n[opPacketInterval], 1)
	}
	return rate{}
}

// samplers is the sampling an observation domain has announced in options data.
type samplers struct {
	plain rate            // said for the whole domain
	byID  map[uint64]rate // said for a sampler (element 48 or 302)
	byIf  map[uint32]rate // said for an interface
}

const maxSamplers = 256 // a domain; more are refused

// size is the number of rates by sampler or interface.
func (s *samplers) size() int { return len(s.byID) + len(s.byIf) }

// learn takes an options record. One that names a rate of zero or one switches
// sampling off. With full no further sampler or interface is kept. It reports
// false when a bound refused it.
func (s *samplers) learn(f *fields, full bool) bool {
	r := f.rate()
	if f.has&hasSampling == 0 {
		return true
	}
	if !r.known() {
		if slices.ContainsFunc(f.n[opSamplingInterval:opPopulation+1], func(n uint64) bool { return n != 0 }) {
			return true // not believable: keep what is known
		}
		r = unsampled
	}
	switch {
	case f.has&hasSamplerID != 0:
		return s.keepID(f.n[opSamplerID], r, full)
	case f.has&hasScopeIf != 0:
		return s.keepInterface(uint32(f.n[opScopeIf]), r, full)
	}
	s.plain = r
	return true
}

func (s *samplers) keepID(id uint64, r rate, full bool) bool {
	if s.byID == nil {
		s.byID = map[uint64]rate{}
	}
	return store(s.byID, id, r, full)
}

func (s *samplers) keepInterface(index uint32, r rate, full bool) bool {
	if s.byIf == nil {
		s.byIf = map[uint32]rate{}
	}
	return store(s.byIf, index, r, full)
}

func store[K comparable](m map[K]rate, key K, r rate, full bool) bool {
	if _, ok := m[key]; !ok && (full || len(m) >= maxSamplers) {
		return false
	}
	m[key] = r
	return true
}

// of returns the rate that holds for a record: what the user set, what the
// record says, what was said of its sampler, its interface, its domain. A
// record that names no sampler belongs to the only one there is.
func (s *samplers) of(f *fields, override uint32) rate {
	if override != 0 {
		return rate{uint64(override), 1}
	}
	if r := f.rate(); r.known() {
		return r
	}
	if f.has&hasSamplerID != 0 {
		if r, ok := s.byID[f.n[opSamplerID]]; ok {
			return r
		}
	}
	if len(s.byIf) > 0 {
		if r, ok := s.byIf[uint32(f.n[opInIf])]; ok {
			return r
		}
	}
	if s.plain.known() {
		return s.plain
	}
	if f.has&hasSamplerID == 0 && len(s.byID) == 1 {
		for _, r := range s.byID {
			return r
		}
	}
	return unsampled
}
