package imports

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/flattraffic/flattraffic/flow"
)

// nfdumpRecord is a record as nfdump -o json writes it, of versions 1.6 and
// 1.7. Times are local to TZ, which is UTC here.
type nfdumpRecord struct {
	Type       string `json:"type"`
	First      string `json:"first"`
	Last       string `json:"last"`
	Received   string `json:"received"`
	First16    string `json:"t_first"`
	Last16     string `json:"t_last"`
	InPackets  uint64 `json:"in_packets"`
	InBytes    uint64 `json:"in_bytes"`
	OutPackets uint64 `json:"out_packets"`
	OutBytes   uint64 `json:"out_bytes"`
	Protocol   uint8  `json:"proto"`
	TCPFlags   string `json:"tcp_flags"`
	SrcPort    uint16 `json:"src_port"`
	DstPort    uint16 `json:"dst_port"`
	ICMPType   uint8  `json:"icmp_type"`
	ICMPCode   uint8  `json:"icmp_code"`
	TOS        uint8  `json:"src_tos"`
	Src4       string `json:"src4_addr"`
	Dst4       string `json:"dst4_addr"`
	Src6       string `json:"src6_addr"`
	Dst6       string `json:"dst6_addr"`
	InIf       uint32 `json:"input_snmp"`
	OutIf      uint32 `json:"output_snmp"`
	SrcAS      uint32 `json:"src_as"`
	DstAS      uint32 `json:"dst_as"`
	VLAN       uint16 `json:"src_vlan"`
	Direction  uint8  `json:"direction"`
	InSrcMAC   string `json:"in_src_mac"`
	OutDstMAC  string `json:"out_dst_mac"`
	Router4    string `json:"ip4_router"`
	Router6    string `json:"ip6_router"`
	Sampled    uint8  `json:"sampled"`
}

// readNfdump reads a file of nfcapd by nfdump itself, which knows all its
// layouts and compressions.
func readNfdump(opts Options) readFunc {
	return func(ctx context.Context, src *source, s *sink) error {
		if src.packed {
			return errors.New("files of nfcapd are compressed inside; unpack this one first (gunzip)")
		}
		program, err := exec.LookPath("nfdump")
		if err != nil {
			return errors.New("this is a file of nfcapd, and reading it needs nfdump; install it (Debian: apt install nfdump)")
		}
		t, err := newTable(opts, s)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var words bytes.Buffer
		cmd := exec.CommandContext(ctx, program, "-r", src.path, "-o", "json")
		cmd.Env = append(os.Environ(), "TZ=UTC")
		cmd.Stderr = &limited{&words, headBytes}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return fmt.Errorf("run nfdump: %w", err)
		}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("run nfdump: %w", err)
		}
		readErr := readNfdumpJSON(ctx, out, t, s)
		if readErr != nil {
			stop()
		}
		err = cmd.Wait()
		said := strings.TrimSpace(words.String())
		switch {
		case readErr != nil:
			return readErr
		case err != nil || said != "":
			return fmt.Errorf("nfdump can't read all of it: %s", strings.ReplaceAll(said, "\n", "; "))
		}
		return nil
	}
}

func readNfdumpJSON(ctx context.Context, out io.Reader, t *table, s *sink) error {
	buffered := bufio.NewReader(out)
	const nothing = "[\nNo matching flows"
	if head, _ := buffered.Peek(len(nothing)); len(head) == 0 || string(head) == nothing {
		return nil // what stands on standard error says whether that is right
	}
	d := json.NewDecoder(buffered)
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("read what nfdump writes: %w", err)
	}
	for number := 1; d.More(); number++ {
		var r nfdumpRecord
		if err := d.Decode(&r); err != nil {
			return fmt.Errorf("record %d: read what nfdump writes: %w", number, err)
		}
		if err := r.bringIn(ctx, t, s); err != nil {
			return fmt.Errorf("record %d: %w", number, err)
		}
	}
	return nil
}

// bringIn hands on a record, and the way back of a two-way one as another.
func (r *nfdumpRecord) bringIn(ctx context.Context, t *table, s *sink) error {
	if r.InBytes == 0 && r.OutBytes == 0 {
		s.skip("records without counters (NAT and security events)", 1)
		return nil
	}
	record, err := r.flow(t)
	if err != nil {
		return err
	}
	if r.InBytes > 0 {
		if err := s.record(ctx, record); err != nil {
			return err
		}
	}
	if r.OutBytes == 0 {
		return nil
	}
	back := *record
	back.Src, back.Dst, back.SrcPort, back.DstPort = record.Dst, record.Src, record.DstPort, record.SrcPort
	back.SrcAS, back.DstAS, back.SrcMAC, back.DstMAC = record.DstAS, record.SrcAS, record.DstMAC, record.SrcMAC
	back.InIf, back.OutIf = record.OutIf, record.InIf
	back.Bytes, back.Packets = r.OutBytes, r.OutPackets
	return s.record(ctx, &back)
}

func (r *nfdumpRecord) flow(t *table) (*flow.Record, error) {
	f := fields{bytesSaid: true, record: flow.Record{
		Bytes: r.InBytes, Packets: r.InPackets, Protocol: r.Protocol, SrcPort: r.SrcPort, DstPort: r.DstPort,
		ICMPType: r.ICMPType, ICMPCode: r.ICMPCode, TOS: r.TOS, InIf: r.InIf, OutIf: r.OutIf,
		SrcAS: r.SrcAS, DstAS: r.DstAS, VLAN: r.VLAN, TCPFlags: flagBits(r.TCPFlags), Observed: flow.Ingress,
	}}
	if r.Direction == 1 {
		f.record.Observed = flow.Egress
	}
	for name, text := range map[string]string{
		"start": first(r.First, r.First16), "end": first(r.Last, r.Last16), "received_at": r.Received,
		"src_addr": first(r.Src4, r.Src6), "dst_addr": first(r.Dst4, r.Dst6), "exporter": first(r.Router4, r.Router6),
		"src_mac": r.InSrcMAC, "dst_mac": r.OutDstMAC,
	} {
		if text == "" || text == "00:00:00:00:00:00" || name == "exporter" && (text == "0.0.0.0" || text == "::") {
			continue
		}
		if err := t.known[name](&f, text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if f.record.Protocol == 1 || f.record.Protocol == 58 {
		f.record.SrcPort, f.record.DstPort = 0, 0
	}
	return f.complete(t)
}

// first is the first text that says something.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// flagBits reads TCP flags as nfdump writes them: ...AP.SF, from CWR to FIN.
func flagBits(text string) uint16 {
	const letters = "FSRPAUEC"
	var bits uint16
	for _, c := range text {
		if i := strings.IndexRune(letters, c); i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}
