package decode

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

var update = flag.Bool("update", false, "rewrite docs/conformance.md")

const conformanceHead = `# Conformance

Made by ` + "`go test ./ingest/decode -run TestConformance -update`" + `; do not edit. Rows are rows of the table ` + "`flows`" + `,
bytes are IP-layer octets and, like packets, already times the sampling rate. Every figure under "expected" comes from elsewhere: from the
packets' builder, or from captures that other projects made, read by tshark, nfdump or sflowtool.

`

// TestConformance writes what exporters send and what becomes of it as a table
// for people, and fails when the table in docs/ is not this one.
func TestConformance(t *testing.T) {
	scenarios := readScenarios(t)
	var b strings.Builder
	b.WriteString(conformanceHead)
	b.WriteString("## Home routers\n\nStreams built packet by packet, each with the trait that breaks naive accounting.\n\n")
	b.WriteString("| exporter | protocol | quirk | expected rows / bytes / packets | got | |\n|---|---|---|---|---|---|\n")
	for _, r := range decodetest.Routers(noon) {
		conformanceRow(&b, r.Name, r.Protocol, r.Quirk, sum(wantOf(r)), sum(decodeRouter(r)))
	}
	b.WriteString("\n## Captures\n\nDatagrams of real and of broken exporters, from the test data of 20 public projects.\n\n")
	b.WriteString("| capture | exporter | class | quirk | expected rows / bytes / packets | got | |\n|---|---|---|---|---|---|---|\n")
	for _, s := range scenarios {
		records, c := decodeCapture(t, filepath.Join(corpus, s.Pcap))
		list := quirks(s)
		if s.Class == "malformed" || s.Class == "unsupported" {
			list = append(list, inLedger(c)...)
		}
		quirk := strings.Join(list, "; ")
		conformanceRow(&b, s.Name+" | "+strings.ReplaceAll(s.Vendor, "|", "/"), s.Class, quirk, expect(t, s), sum(records))
	}
	writeExceptions(&b, scenarios)
	path := filepath.Join("..", "..", "docs", "conformance.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(old), b.String()); diff != "" {
		t.Errorf("docs/conformance.md is not up to date, run with -update (-old +new):\n%s", diff)
	}
}

// writeExceptions says where the expectation is not the figure that came with
// the capture, and why.
func writeExceptions(b *strings.Builder, scenarios []scenario) {
	b.WriteString("\n## Where the captures' own figures are not what is expected\n\n")
	b.WriteString("Rows / bytes / packets. Of sFlow, whose own figures are the lengths of frames, the IP lengths in the sampled headers are expected throughout.\n\n")
	b.WriteString("| capture | figures with the capture | expected here | why |\n|---|---|---|---|\n")
	for _, s := range scenarios {
		e, ok := exceptions[s.Name]
		if !ok {
			continue
		}
		fmt.Fprintf(b, "| %s | %d / %d / %d | %d / %d / %d | %s |\n", s.Name, s.Records, s.CorrectedBytes, s.CorrectedPackets,
			e.totals.Records, e.totals.Bytes, e.totals.Packets, e.why)
	}
}

func conformanceRow(b *strings.Builder, name, kind, quirk string, want, got totals) {
	verdict := "exact"
	if want != got {
		verdict = "**differs**"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %d / %d / %d | %d / %d / %d | %s |\n", name, kind, quirk,
		want.Records, want.Bytes, want.Packets, got.Records, got.Bytes, got.Packets, verdict)
}

// inLedger says what of a broken capture is in the ledger.
func inLedger(c counts) []string {
	var list []string
	reasons := []ledger.Event{ledger.Malformed, ledger.BadTemplate, ledger.TemplateMissing, ledger.UnknownVersion, ledger.TimeFixed, ledger.NoCounters}
	for _, event := range slices.Sorted(maps.Keys(c)) {
		if slices.Contains(reasons, event) {
			list = append(list, fmt.Sprintf("ledger: %d %s", c[event], event))
		}
	}
	return list
}

// quirks says what is special about a capture, in few words.
func quirks(s scenario) []string {
	var list []string
	if e, ok := exceptions[s.Name]; ok {
		list = append(list, e.why)
	}
	for _, rate := range s.SamplingRates {
		if rate > 1 {
			list = append(list, fmt.Sprintf("sampled 1:%g", rate))
		}
	}
	if n := s.ByteFields["none"]; n > 0 && s.sflow() {
		list = append(list, fmt.Sprintf("%d samples without an IP packet: rows of no bytes", n))
	} else if n > 0 {
		list = append(list, fmt.Sprintf("%d records without a counter are no flows", n))
	}
	if s.ByteFields["total_octets"] > 0 {
		list = append(list, "octets in element 85")
	}
	if s.ByteFields["eth_len"] > 0 {
		list = append(list, "only Ethernet fields: rows of no bytes")
	}
	if s.Undecoded > 0 && s.Name != "nf9-graylog" {
		list = append(list, fmt.Sprintf("%d sets without template", s.Undecoded))
	}
	if s.Class == "real" && s.Records == 0 && s.Options > 0 {
		list = append(list, "options only")
	}
	for _, note := range s.Notes {
		for _, telling := range []string{"template withdrawal", "padded", "padding", "trailing", "SRv6", "MPLS", "QinQ", "VXLAN", "over IPv6", "unsupported version", "source id"} {
			if strings.Contains(note, telling) {
				list = append(list, strings.ReplaceAll(note, "|", "/"))
				break
			}
		}
	}
	return list
}
