package alerts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

// Message is one thing to say.
type Message struct {
	Key     string // what it is about; said once for each
	Kind    string // threshold, forecast, completeness, silent or test
	Subject string // in one line
	Text    string
	Quiet   bool // noted as said and not sent: a higher threshold is said instead
	At      time.Time

	Line       string // id of the line; empty = about an exporter
	Start, End time.Time
	Used, Cap  uint64
	Percent    int // the threshold
}

// collect looks at every line and every exporter.
func (a *Alerts) collect(ctx context.Context, settings *site.Settings) ([]Message, error) {
	var list []Message
	var errs []error
	for _, line := range settings.Lines {
		result, err := a.Reports.Run(ctx, report.Request{Kind: report.Overview, Filter: report.Filter{Line: line.ID}})
		if err != nil {
			errs = append(errs, fmt.Errorf("look at line %s: %w", line.ID, err))
			continue
		}
		list = append(list, about(line, len(settings.Lines) > 1, result, settings.Alerts, a.Now())...)
	}
	silent, err := a.silent(ctx, settings)
	return append(list, silent...), errors.Join(append(errs, err)...)
}

// about says what there is to say of a line's running period.
func about(line site.Line, several bool, r *report.Result, rules site.Alerts, now time.Time) []Message {
	answer := r.Answer(now)
	base := Message{
		At: now, Line: line.ID, Start: r.Span.Start, End: r.Span.End, Used: answer.Used, Cap: answer.Cap,
		Text: text(line, r, answer),
	}
	name := r.Span.Plan.Name
	if several {
		name = line.Label()
	}
	make := func(kind, key, subject string) Message {
		m := base
		m.Kind, m.Subject = kind, fmt.Sprintf("FlatTraffic: %s (%s)", subject, name)
		m.Key = line.ID + "/" + r.Span.Start.UTC().Format("2006-01-02T15:04Z") + "/" + key
		return m
	}
	var list []Message
	if answer.Cap > 0 {
		list = thresholds(answer, rules.Thresholds, make)
		if over := r.Overview.OverOn; rules.Forecast && !over.IsZero() && !answer.Over() && answer.Used < answer.Cap {
			list = append(list, make("forecast", "forecast", "likely over "+answer.Base.Format(answer.Cap)+" from about "+over.Start(nil).Format("2 Jan")))
		}
	}
	if c := r.Completeness; rules.Completeness > 0 && c.Known && c.Fraction*100 < float64(rules.Completeness) {
		list = append(list, make("completeness", "completeness/"+strconv.Itoa(rules.Completeness), "figures are less than "+strconv.Itoa(rules.Completeness)+" % complete"))
	}
	return list
}

// thresholds says the highest one that was reached; those below it are noted as
// said, so that they do not come after it.
func thresholds(answer report.Answer, percents []int, make func(kind, key, subject string) Message) []Message {
	var list []Message
	for _, percent := range slices.Backward(percents) {
		if !reached(answer.Used, answer.Cap, percent) {
			continue
		}
		m := make("threshold", "cap/"+strconv.Itoa(percent), strconv.Itoa(percent)+" % of "+answer.Base.Format(answer.Cap)+" used")
		m.Percent = percent
		m.Quiet = len(list) > 0
		list = append(list, m)
	}
	return list
}

// reached says whether used is at least so many percent of limit, to the byte.
func reached(used, limit uint64, percent int) bool {
	p := uint64(percent)
	return used >= limit/100*p+(limit%100*p+99)/100
}

// text is the body: the words of the overview, and what they are about.
func text(line site.Line, r *report.Result, answer report.Answer) string {
	var b strings.Builder
	b.WriteString(answer.Headline())
	if answer.When != "" {
		b.WriteString(", " + answer.When)
	}
	b.WriteString("\n\n")
	for _, s := range answer.Says {
		b.WriteString(s.String() + "\n")
	}
	if free := r.Overview.Unmetered; free > 0 {
		b.WriteString(answer.Base.Format(free) + " free, which does not count\n")
	}
	last := billing.DateOf(r.Span.End.Add(-time.Nanosecond))
	fmt.Fprintf(&b, "\nLine %s, plan %s, %s to %s (%s)\n", line.Label(), r.Span.Plan.Name,
		r.Span.Start.Format("2 Jan 2006"), last.Start(nil).Format("2 Jan 2006"), r.Span.Start.Location())
	if c := r.Completeness; c.Known {
		fmt.Fprintf(&b, "Complete to %s %%\n", strconv.FormatFloat(float64(int(c.Fraction*1000))/10, 'f', -1, 64))
	}
	for _, note := range r.Completeness.Notes {
		b.WriteString("- " + note + "\n")
	}
	return b.String()
}

// silent says which exporters that used to send have sent nothing for the time
// that is set.
func (a *Alerts) silent(ctx context.Context, settings *site.Settings) ([]Message, error) {
	hours := settings.Alerts.SilentHours
	if hours == 0 {
		return nil, nil
	}
	now := a.Now()
	rows, err := query(ctx, a.Conn, "silent", map[string]string{
		"since": unix(now.Add(-lookBack)), "until": unix(now.Add(-time.Duration(hours) * time.Hour)), "now": unix(now),
	})
	if err != nil {
		return nil, fmt.Errorf("look for silent exporters: %w", err)
	}
	defer rows.Close()
	var list []Message
	for rows.Next() {
		m, err := silence(rows, settings, now)
		if err != nil {
			return list, fmt.Errorf("look for silent exporters: %w", err)
		}
		if m.Key != "" {
			list = append(list, m)
		}
	}
	return list, rows.Err()
}

// lookBack is how long ago an exporter may have sent last to be missed.
const lookBack = 28 * 24 * time.Hour

func silence(rows driver.Rows, settings *site.Settings, now time.Time) (Message, error) {
	var address netip.Addr
	var last uint32
	if err := rows.Scan(&address, &last); err != nil {
		return Message{}, err
	}
	address = address.Unmap()
	name := address.String()
	for _, e := range settings.Exporters {
		if e.Address == address {
			if e.Blocked {
				return Message{}, nil
			}
			if e.Name != "" {
				name = e.Name + " (" + name + ")"
			}
		}
	}
	zone := settings.Lines[0].Plans.At(now).Plan.Zone
	since := time.Unix(int64(last), 0)
	hours := int(now.Sub(since).Hours())
	said := "1 hour"
	if hours != 1 {
		said = strconv.Itoa(hours) + " hours"
	}
	return Message{
		Key: "exporter/" + address.String() + "/" + strconv.FormatUint(uint64(last), 10), Kind: "silent", At: now,
		Subject: "FlatTraffic: nothing from " + name + " for " + said,
		Text: fmt.Sprintf("No flow record has come from %s since %s.\n\nIf it was not switched off, look at its flow export and at the network between. The page Status says more.\n",
			name, since.In(zone).Format("Monday 2 January 2006, 15:04 MST")),
	}, nil
}
