package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// The replay: NetFlow v9 of a router with 5,000 hosts behind it, as softflowd
// exports them: a record for each direction of a conversation, 24 records a
// datagram.
const (
	perDatagram  = 24   // an even number: conversations have two
	datagrams    = 8192 // different ones; they are sent again and again
	replayHosts  = 5000
	replayPeers  = 100_000
	replayUptime = 3_600_000 // milliseconds; record times count from it
	sendBatch    = 16        // datagrams a system call
)

var replayTemplate = decodetest.NewTemplate(1024, 8, 12, 21, 22, 1, 2, 10, 14, 7, 11, 4, 6, 5)

// replay is what is sent.
type replay struct {
	template  []byte
	datagrams [][]byte
	octets    []uint64 // of each datagram's records
}

// newReplay makes the datagrams; the same each time.
func newReplay() *replay {
	random := rand.New(rand.NewPCG(1, 2))
	r := &replay{template: (&decodetest.Message{Version: 9, Uptime: replayUptime * time.Millisecond, Domain: 1}).Templates(replayTemplate).Bytes()}
	for range datagrams {
		var records [][]byte
		var octets uint64
		for len(records) < perDatagram {
			both, n := conversation(random)
			records = append(records, both[:]...)
			octets += n
		}
		m := decodetest.Message{Version: 9, Uptime: replayUptime * time.Millisecond, Domain: 1}
		r.datagrams = append(r.datagrams, m.Data(replayTemplate, records...).Bytes())
		r.octets = append(r.octets, octets)
	}
	return r
}

// skewed draws a number below n, small ones more often.
func skewed(random *rand.Rand, n int) uint32 {
	u := random.Float64()
	return uint32(u * u * float64(n))
}

// conversation makes the two records of one: what the host sent, and what came
// back.
func conversation(random *rand.Rand) (records [2][]byte, octets uint64) {
	host, peer := skewed(random, replayHosts), skewed(random, replayPeers)
	local := netip.AddrFrom4([4]byte{10, 20, byte(host / 250), byte(host%250 + 1)})
	remote := netip.AddrFrom4([4]byte{198, byte(18 + peer>>16), byte(peer >> 8), byte(peer)})
	port := []int{443, 443, 443, 443, 80, 53, 123, 993, 22, 51820, 8801, 3478}[random.IntN(12)]
	protocol := 6
	if port == 53 || port == 123 || port >= 3478 || random.IntN(3) == 0 {
		protocol = 17
	}
	near := 32768 + random.IntN(28000)
	last := replayUptime - random.IntN(2000)
	first := last - int(random.ExpFloat64()*20_000)
	for i := range records {
		packets := uint64(1 + math.Exp(random.NormFloat64()*2+1))
		size := packets * uint64(60+random.IntN(1400))
		octets += size
		if i == 0 {
			records[i] = replayTemplate.Record(local, remote, last, first, size, packets, 1, 2, near, port, protocol, 27, 0)
		} else {
			records[i] = replayTemplate.Record(remote, local, last, first, size, packets, 2, 1, port, near, protocol, 27, 0)
		}
	}
	return records, octets
}

// sent is what a blast sent.
type sent struct {
	flows, octets uint64
	took          time.Duration
}

func (s sent) rate() float64 { return float64(s.flows) / s.took.Seconds() }

// blast sends at a rate of flows a second to a collector on loopback. A rate
// of zero is as fast as the kernel takes it.
func (r *replay) blast(ctx context.Context, to string, rate int, duration time.Duration) (sent, error) {
	address, err := net.ResolveUDPAddr("udp4", to)
	if err != nil || !address.IP.IsLoopback() {
		return sent{}, fmt.Errorf("flows are only sent to loopback, not to %s", to)
	}
	socket, err := net.DialUDP("udp4", nil, address)
	if err != nil {
		return sent{}, err
	}
	defer socket.Close()
	conn := ipv4.NewPacketConn(socket)
	messages := make([]ipv4.Message, sendBatch)
	var s sent
	var sequence uint32
	began := time.Now()
	nextTemplate := began
	for at := 0; ctx.Err() == nil; at = (at + sendBatch) % datagrams {
		now := time.Now()
		if now.Sub(began) >= duration {
			break
		}
		if !now.Before(nextTemplate) {
			stamp(r.template, now, sequence)
			if _, err := socket.Write(r.template); err != nil {
				return s, err
			}
			sequence++
			nextTemplate = now.Add(5 * time.Second)
		}
		for i := range messages {
			stamp(r.datagrams[at+i], now, sequence+uint32(i))
			messages[i].Buffers = [][]byte{r.datagrams[at+i]}
		}
		for done := 0; done < sendBatch; {
			n, err := conn.WriteBatch(messages[done:], 0)
			if err != nil {
				return s, err
			}
			done += n
		}
		sequence += sendBatch
		s.flows += sendBatch * perDatagram
		for i := range messages {
			s.octets += r.octets[at+i]
		}
		if rate > 0 {
			due := began.Add(time.Duration(float64(s.flows) / float64(rate) * float64(time.Second)))
			if wait := time.Until(due); wait > 300*time.Microsecond {
				time.Sleep(wait)
			}
		}
	}
	s.took = time.Since(began)
	return s, ctx.Err()
}

// stamp sets export time and sequence number of a NetFlow v9 datagram.
func stamp(datagram []byte, now time.Time, sequence uint32) {
	binary.BigEndian.PutUint32(datagram[8:], uint32(now.Unix()))
	binary.BigEndian.PutUint32(datagram[12:], sequence)
}
