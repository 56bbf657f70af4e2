package decode

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/flattraffic/flattraffic/flow"
)

// savedHeader begins a template file: format, version, checksum of the rest.
const savedHeader = "flattraffic templates 1 %08x\n"

// maxSaved bounds what LoadTemplates reads.
const maxSaved = 64 << 20

// savedExporter is an exporter in a template file. Sampling and start time are
// saved too: without them the first flows after a restart would be counted
// unsampled, or at the wrong time.
type savedExporter struct {
	Address     netip.Addr    `json:"address"`
	FirstMs     int64         `json:"first_ms"`
	LastMs      int64         `json:"last_ms"`
	Established bool          `json:"established,omitempty"`
	Domains     []savedDomain `json:"domains"`
}

type savedDomain struct {
	Version   flow.Origin      `json:"version"`
	ID        uint32           `json:"id"`
	InitMs    int64            `json:"init_ms,omitempty"`
	Templates []savedTemplate  `json:"templates,omitempty"`
	Sampling  *[2]uint64       `json:"sampling,omitempty"`
	Samplers  []savedSampler   `json:"samplers,omitempty"`
	Ifaces    []savedInterface `json:"interfaces,omitempty"`
}

// savedTemplate holds the fields as (element, length, enterprise).
type savedTemplate struct {
	ID      uint16      `json:"id"`
	Options bool        `json:"options,omitempty"`
	Scopes  int         `json:"scopes,omitempty"`
	SentMs  int64       `json:"sent_ms"`
	UsedMs  int64       `json:"used_ms"`
	Fields  [][3]uint32 `json:"fields"`
}

type savedSampler struct {
	ID   uint64    `json:"id"`
	Rate [2]uint64 `json:"rate"`
}

type savedInterface struct {
	Index uint32    `json:"index"`
	Rate  [2]uint64 `json:"rate"`
}

// SaveTemplates writes what exporters have announced: templates, sampling and
// start times. Only NetFlow v9 and IPFIX have such.
func (d *Decoder) SaveTemplates(w io.Writer) error {
	var saved []savedExporter
	for _, e := range d.exporters {
		s := savedExporter{Address: e.addr, FirstMs: e.firstMs, LastMs: e.lastMs, Established: e.stranger == nil}
		for _, dom := range e.domains {
			if len(dom.templates) > 0 {
				s.Domains = append(s.Domains, dom.save())
			}
		}
		slices.SortFunc(s.Domains, func(a, b savedDomain) int { return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID)) })
		if len(s.Domains) > 0 {
			saved = append(saved, s)
		}
	}
	slices.SortFunc(saved, func(a, b savedExporter) int { return a.Address.Compare(b.Address) })
	text, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("encode templates: %w", err)
	}
	if _, err := fmt.Fprintf(w, savedHeader, crc32.ChecksumIEEE(text)); err != nil {
		return fmt.Errorf("write templates: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write templates: %w", err)
	}
	return nil
}

func (dom *domain) save() savedDomain {
	s := savedDomain{Version: dom.key.version, ID: dom.key.id, InitMs: dom.initMs}
	for id, t := range dom.templates {
		st := savedTemplate{ID: id, Options: t.options, Scopes: t.scopes, SentMs: t.sentMs, UsedMs: t.usedMs}
		for _, f := range t.raw {
			st.Fields = append(st.Fields, [3]uint32{uint32(f.Type), uint32(f.Length), f.Pen})
		}
		s.Templates = append(s.Templates, st)
	}
	slices.SortFunc(s.Templates, func(a, b savedTemplate) int { return int(a.ID) - int(b.ID) })
	if r := dom.samplers.plain; r.known() {
		s.Sampling = &[2]uint64{r.num, r.den}
	}
	for id, r := range dom.samplers.byID {
		s.Samplers = append(s.Samplers, savedSampler{id, [2]uint64{r.num, r.den}})
	}
	for index, r := range dom.samplers.byIf {
		s.Ifaces = append(s.Ifaces, savedInterface{index, [2]uint64{r.num, r.den}})
	}
	slices.SortFunc(s.Samplers, func(a, b savedSampler) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Ifaces, func(a, b savedInterface) int { return cmp.Compare(a.Index, b.Index) })
	return s
}

// LoadTemplates takes what SaveTemplates wrote, of the exporters this Decoder
// owns. A file that is damaged or of another version is refused whole with an
// error and changes nothing: templates come again from the exporters.
func (d *Decoder) LoadTemplates(r io.Reader) error {
	in := bufio.NewReader(io.LimitReader(r, maxSaved))
	line, err := in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read templates: %w", err)
	}
	var sum uint32
	if _, err := fmt.Sscanf(line, savedHeader, &sum); err != nil {
		return errors.New("read templates: not a template file of version 1")
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read templates: %w", err)
	}
	if crc32.ChecksumIEEE(text) != sum {
		return errors.New("read templates: the file is damaged (checksum)")
	}
	var saved []savedExporter
	if err := json.Unmarshal(text, &saved); err != nil {
		return fmt.Errorf("read templates: %w", err)
	}
	for _, s := range saved {
		if s.Address.IsValid() && d.owns(s.Address) {
			d.restore(&s)
		}
	}
	return nil
}

// restore takes a saved exporter, with the same bounds as live ones.
func (d *Decoder) restore(s *savedExporter) {
	for _, sd := range s.Domains {
		if sd.Version != flow.NetFlow9 && sd.Version != flow.IPFIX {
			continue
		}
		key := domainKey{version: sd.Version, id: sd.ID}
		e, dom := d.domainFor(s.Address, key, ExporterSettings{Known: s.Established}, time.UnixMilli(s.LastMs))
		if dom == nil {
			return
		}
		e.firstMs = min(e.firstMs, s.FirstMs)
		d.allSamplers -= dom.samplers.size()
		dom.restore(&sd, d.limits.AllSamplers-d.allSamplers)
		d.allSamplers += dom.samplers.size()
		for _, st := range sd.Templates {
			d.restoreTemplate(e, dom, &st)
		}
	}
}

// restore takes what was saved of a domain, room rates by sampler or interface
// at most.
func (dom *domain) restore(sd *savedDomain, room int) {
	dom.initMs = sd.InitMs
	if sd.Sampling != nil {
		dom.samplers.plain = newRate(sd.Sampling[0], sd.Sampling[1])
	}
	for _, s := range sd.Samplers {
		if r := newRate(s.Rate[0], s.Rate[1]); r.known() {
			dom.samplers.keepID(s.ID, r, dom.samplers.size() >= room)
		}
	}
	for _, s := range sd.Ifaces {
		if r := newRate(s.Rate[0], s.Rate[1]); r.known() {
			dom.samplers.keepInterface(s.Index, r, dom.samplers.size() >= room)
		}
	}
}

func (d *Decoder) restoreTemplate(e *exporter, dom *domain, st *savedTemplate) {
	if st.ID < 256 || len(st.Fields) > d.limits.Fields || dom.templates[st.ID] != nil {
		return
	}
	raw := make([]netflow.Field, len(st.Fields))
	for i, f := range st.Fields {
		raw[i] = netflow.Field{Type: uint16(f[0]), Length: uint16(f[1]), Pen: f[2], PenProvided: f[2] != 0}
	}
	t := newTemplate(dom.key.version, raw, st.Scopes, st.Options)
	if t == nil {
		return
	}
	t.sentMs, t.usedMs = st.SentMs, st.UsedMs
	d.keepTemplate(e, dom, st.ID, t, time.UnixMilli(st.SentMs))
	e.templateMs = max(e.templateMs, st.SentMs)
}
