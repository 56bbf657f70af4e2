package server

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

// billForm asks what the ISP says of the period shown, and says what the
// difference comes from.
type billForm struct {
	Action string
	Text   string // as entered
	Error  string
	Fixed  bool   // the visitor may not change it
	Unit   string // of a plain number
	Says   []string
}

// billOf is the form of a whole billing period of everybody; nil for any other
// span, and for those who may not save it and have nothing to read.
func (a answer) billOf(b Base) *billForm {
	f := a.Request.Filter
	line := f.Line
	f.Line = ""
	if !a.Span.Billing || a.Overview == nil || f != (report.Filter{}) || line == site.AllLines {
		return nil
	}
	if line == "" {
		line = a.Span.Plan.ID
	}
	form := &billForm{Action: a.at.to("/bill"), Unit: a.unit(), Fixed: b.Role != Admin}
	bill, known := b.Settings.Bill(line, billing.DateOf(a.Span.Start))
	if known {
		form.Text = bill.Text
		form.Says = a.compareBill(bill.Bytes)
	}
	if !known && b.Role != Admin {
		return nil
	}
	return form
}

// The sizes of what is under IP for each packet: Ethernet; Ethernet, VLAN and
// PPPoE.
const leastFrame, mostFrame = 14, 30

// unit is what an ISP's figure is in, in the units of the plan.
func (f figures) unit() string {
	if f.base == billing.Binary {
		return "GiB"
	}
	return "GB"
}

// compareBill says how far the ISP's figure is from ours, and what the usual
// cause of such a difference is. See docs/faq.md.
func (a answer) compareBill(says uint64) []string {
	used := a.Overview.Used
	if says == 0 || used == 0 {
		return nil
	}
	words := []string{a.differenceWords(used, says)}
	near := func(x, y uint64) bool { return math.Abs(float64(x)-float64(y)) <= 0.015*float64(y) }
	total := a.Total
	frames := [2]uint64{used + total.Packets*leastFrame, used + total.Packets*mostFrame}
	switch {
	case a.now.Before(a.Span.End):
		words = append(words, "The period is not over: an ISP's figure is often some hours behind. Compare again days after the end.")
	case near(says, used):
		words = append(words, "That agrees.")
	case a.Span.Plan.Counts == billing.CountBoth && total.Sent > used/20 && near(says, total.Received):
		words = append(words, "It is what was received alone: your ISP seems not to count what is sent. Set what counts in the plan.")
	case a.Span.Plan.Counts == billing.CountReceived && near(says, total.Received+total.Sent):
		words = append(words, "It is received and sent together: your ISP seems to count both. Set what counts in the plan.")
	case near(uint64(float64(says)*gibi), used):
		words = append(words, "That is the difference between GB and GiB: your ISP's unit seems to be of 1024. Enter its figure, and the cap, in GiB.")
	case near(uint64(float64(says)/gibi), used):
		words = append(words, "That is the difference between GiB and GB: your ISP's unit seems to be of 1000. Enter its figure, and the cap, in GB.")
	case near(says*2, used):
		words = append(words, "We count twice as much: flows may be reported at two places. See Status, and the exporter's settings.")
	case says > used && says <= frames[1]:
		words = append(words, "That is what the framing under IP comes to: 14 to 30 bytes a packet are "+
			percent(frames[0]-used, used)+" to "+percent(frames[1]-used, used)+" here.")
	case says > used:
		words = append(words, "More than the framing under IP explains ("+percent(frames[1]-used, used)+
			" at most). Look at the completeness, at Unmatched, and whether the period begins on the same day and hour.")
	default:
		words = append(words, "Less than we count: parts of it may be free at your ISP (its own television, nights), or reported twice by the router.")
	}
	return words
}

// gibi is how much larger a GiB is than a GB.
const gibi = 1.073741824

func (a answer) differenceWords(used, says uint64) string {
	more, word := says-used, "more"
	if says < used {
		more, word = used-says, "less"
	}
	if more == 0 {
		return "Exactly what is counted here."
	}
	share := 100 * float64(more) / float64(used)
	return a.base.Format(more) + " " + word + " than the " + a.base.Format(used) + " counted here (" + trimmed(share) + " %)."
}

// trimmed writes a percentage with one decimal where it is small.
func trimmed(p float64) string {
	if p >= 10 {
		return itoa(int(math.Round(p)))
	}
	return strconv.FormatFloat(p, 'f', 1, 64)
}

// saveBill stores what the ISP says of the period in the query.
func (p reportPages) saveBill(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	a, err := p.answer(r, report.Overview, "/")
	if err != nil {
		return err
	}
	line := a.Request.Filter.Line
	if line == "" {
		line = a.Span.Plan.ID
	}
	if !a.Span.Billing || line == site.AllLines {
		return &Problem{Status: http.StatusBadRequest, Detail: "An ISP's figure belongs to one billing period of one line. Choose one first."}
	}
	text := r.PostFormValue("says")
	if _, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		text += " " + a.unit() // a plain number is in the unit beside the field
	}
	err = p.s.site.SaveBill(r.Context(), line, billing.DateOf(a.Span.Start), text)
	if fields, bad := errors.AsType[site.FieldErrors](err); bad {
		return p.showOverview(w, r, a, &billForm{Text: text, Error: fields["says"]})
	}
	if err != nil {
		return err
	}
	u := url.URL{Path: "/", RawQuery: r.URL.RawQuery}
	return redirect(w, r, u.String(), "bill")
}
