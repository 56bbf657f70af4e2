package charts

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// gigabytes labels ticks in tests.
func gigabytes(v uint64) string { return fmt.Sprintf("%g GB", float64(v)/1e9) }

// days is a chart of n days, of which the first today+1 have happened.
func days(n, today int) Columns {
	c := Columns{
		Frame:  Frame{ID: "days", Title: "312 GB in 12 of 30 days", Desc: "The most was on 17 November, 21 GB."},
		Series: []string{"received", "sent"}, Pace: Line{"even pace 16.7 GB", 16_700_000_000},
		Base: 1000, Tick: gigabytes,
		PartialName: "so far", LikelyName: "likely", GapName: "no data", OverName: "over the cap", CapName: "cap",
	}
	for i := range n {
		day := (i+11)%30 + 1
		column := Column{Label: strconv.Itoa(day), Name: fmt.Sprintf("%d November", day), Href: fmt.Sprintf("/days/2026-11-%02d", day)}
		received := uint64(i*i%7+1) * 3_141_592_653
		switch {
		case i == 4 || i == 5:
			column.Gap = true
		case i < today:
			column.Parts = []uint64{received, received / 7}
			column.Name += ": " + gigabytes(received)
		case i == today:
			column.Parts, column.Likely, column.Partial, column.Now = []uint64{2e9, 3e8}, 14e9, true, true
		default:
			column.Likely = 12e9 + received/10
		}
		c.Columns = append(c.Columns, column)
	}
	return c
}

// history is a chart of periods, some over a cap that was raised.
func history(n int) Columns {
	c := Columns{
		Frame: Frame{ID: "history", Title: "Usage of each period"}, Series: []string{"received", "sent"},
		CapName: "cap as it was", OverName: "over the cap", PartialName: "so far", Base: 1000, Tick: gigabytes,
	}
	for i := range n {
		column := Column{Label: "Nov", Name: "a period", Parts: []uint64{uint64(200+i*53%200) * 1e9, 20e9}, Cap: 300e9, Partial: i == n-1}
		if i > n/2 {
			column.Cap = 400e9
		}
		c.Columns = append(c.Columns, column)
	}
	return c
}

// week is a heat map of hours and weekdays.
func week() HeatMap {
	m := HeatMap{Frame: Frame{ID: "week", Title: "Busiest on Friday evening"}, Rows: []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}, Base: 1000, Tick: gigabytes, GapName: "no data"}
	for hour := range 24 {
		m.Columns = append(m.Columns, fmt.Sprintf("%02d", hour))
	}
	for day := range 7 {
		var row []Cell
		for hour := range 24 {
			row = append(row, Cell{Value: uint64(day*hour*hour) * 1e6, Gap: day == 1 && hour == 4, Blank: day == 6 && hour > 20})
		}
		m.Cells = append(m.Cells, row)
	}
	return m
}

func meter(used, likelyLow, likelyHigh uint64) Meter {
	return Meter{
		Frame: Frame{ID: "meter", Title: "312 GB of 500 GB"}, Used: used, Cap: 500e9, Pace: 200e9, LikelyLow: likelyLow, LikelyHigh: likelyHigh,
		PaceText: "even pace 200 GB", CapText: "cap 500 GB", UsedName: "used", LikelyName: "likely at the end",
	}
}

// year is a heat map of the weeks of a year.
func year() HeatMap {
	m := HeatMap{Frame: Frame{ID: "year", Title: "2026: the most on 5 March, 46 GB"}, Rows: []string{"Mon", "", "Wed", "", "Fri", "", ""}, Base: 1000, Tick: gigabytes, GapName: "no data", Height: 12}
	for day := range 7 {
		var row []Cell
		for week := range 53 {
			n := week*7 + day
			row = append(row, Cell{Value: uint64(n*n%47) * 1e9, Gap: n > 100 && n < 105, Blank: n < 3 || n > 340})
		}
		m.Cells = append(m.Cells, row)
	}
	for week := range 53 {
		label := ""
		if week%4 == 1 {
			label = time.Month(week/5 + 1).String()[:3]
		}
		m.Columns = append(m.Columns, label)
	}
	return m
}

// running is a chart of the running total of 12 days of 30.
func running() Lines {
	l := Lines{
		Frame: Frame{ID: "running", Title: "312 GB by day 12", Desc: "24 GB behind last period."}, Name: "this period", ThenName: "last period",
		Steps: 30, Pace: Line{"even pace", 500e9}, Cap: Line{"cap 500 GB", 500e9}, Base: 1000, Tick: gigabytes,
	}
	var total, then uint64
	for i := range 30 {
		total += uint64(i*i%7+20) * 1e9
		then += uint64(i*i%5+15) * 1e9
		if i < 12 {
			l.Points = append(l.Points, Point{Value: total, Name: fmt.Sprintf("day %d", i+1), Href: "/days", Gap: i == 5})
		}
		l.Then = append(l.Then, Point{Value: then})
		l.Labels = append(l.Labels, strconv.Itoa(i+1))
	}
	return l
}

// compared is a chart of days with what each is compared with.
func compared() Columns {
	c := days(30, 11)
	c.ID, c.BeforeName = "compared", "last period"
	for i := range c.Columns[:12] {
		c.Columns[i].Before = uint64(i*i%5) * 6e9
	}
	return c
}

// pictures are all kinds of charts, by name.
func pictures() map[string]Picture {
	unlinked := days(24, 30)
	for i := range unlinked.Columns {
		unlinked.Columns[i].Href = ""
	}
	return map[string]Picture{
		"days-30": days(30, 11).Picture(), "days-31": days(31, 40).Picture(), "days-62": days(62, 50).Picture(), "day": unlinked.Picture(),
		"history-27": history(27).Picture(), "history-3": history(3).Picture(), "columns-none": Columns{}.Picture(),
		"compared": compared().Picture(), "running": running().Picture(), "lines-none": Lines{}.Picture(),
		"week": week().Picture(), "year": year().Picture(), "map-none": HeatMap{}.Picture(),
		"meter": meter(312e9, 420e9, 480e9).Picture(), "meter-likely-over": meter(312e9, 640e9, 780e9).Picture(),
		"meter-over": meter(612e9, 640e9, 700e9).Picture(), "meter-none": Meter{}.Picture(),
	}
}

// drawings are all charts in all formats, by name.
func drawings() map[string]string {
	out := map[string]string{
		"spark":       Spark{Values: []uint64{0, 5, 10, 1, 10_000}}.Inline(),
		"spark-empty": Spark{Title: "nothing"}.Inline(),
		"bar":         Bar{Parts: []uint64{60, 10}, Of: 100, Title: "70 %"}.Inline(),
		"bar-full":    Bar{Parts: []uint64{60, 70}, Of: 100}.Inline(),
	}
	for name, p := range pictures() {
		out[name] = p.Inline()
		out[name+"-legend"] = p.Legend()
		out[name+"-alone"] = p.Standalone(720, AsViewer)
	}
	return out
}

func TestGolden(t *testing.T) {
	all := drawings()
	for _, name := range []string{"days-30", "days-30-legend", "day", "compared", "running", "running-legend", "year", "history-27", "week", "week-legend", "meter", "meter-likely-over", "meter-over", "spark", "bar"} {
		compareGolden(t, name+".html", all[name])
	}
	for _, name := range []string{"days-30-alone", "running-alone", "year-alone", "history-27-alone", "week-alone", "meter-likely-over-alone"} {
		// The style sheet changes for its own reasons.
		compareGolden(t, name+".svg", strings.Replace(all[name], css, "", 1))
	}
}

// compareGolden compares text with a golden file, one element a line.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, "><", ">\n<")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), rewrite with -update:\n%s", name, diff)
	}
}

// walk reads a drawing as XML and hands each element to see; it fails when the
// drawing is not well-formed.
func walk(t *testing.T, name, drawing string, see func(xml.StartElement)) (words string) {
	t.Helper()
	var all strings.Builder
	for d := xml.NewDecoder(strings.NewReader("<body>" + drawing + "</body>")); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatalf("%s is not well-formed: %v", name, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			see(token)
		case xml.CharData:
			all.Write(token)
		}
	}
}

// Every drawing is well-formed, has no style or script of its own and no
// broken number, its ids are unique, and what it refers to is there.
func TestDrawingsAreClean(t *testing.T) {
	known := map[string]bool{}
	for _, class := range regexp.MustCompile(`\.([a-z][a-z0-9-]*)`).FindAllStringSubmatch(css, -1) {
		known[class[1]] = true
	}
	for name, drawing := range drawings() {
		ids, refs := map[string]bool{}, map[string]bool{}
		walk(t, name, drawing, func(e xml.StartElement) {
			if e.Name.Local == "script" || e.Name.Local == "style" && !strings.HasSuffix(name, "-alone") {
				t.Errorf("%s has an element %s", name, e.Name.Local)
			}
			for _, a := range e.Attr {
				switch key := a.Name.Local; {
				case key == "style" || strings.HasPrefix(key, "on"):
					t.Errorf("%s has an attribute %s", name, key)
				case key == "id" && ids[a.Value]:
					t.Errorf("%s has the id %s twice", name, a.Value)
				case key == "id":
					ids[a.Value] = true
				case key == "aria-labelledby":
					for id := range strings.FieldsSeq(a.Value) {
						refs[id] = true
					}
				case key == "fill":
					refs[strings.TrimSuffix(strings.TrimPrefix(a.Value, "url(#"), ")")] = true
				case key == "class":
					for class := range strings.FieldsSeq(a.Value) {
						if !known[class] && class != "chart-columns" && class != "chart-map" {
							t.Errorf("%s has the class %s, which charts.css does not know", name, class)
						}
					}
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || (a.Name.Local == "width" || a.Name.Local == "height") && strings.HasPrefix(a.Value, "-") {
					t.Errorf("%s: %s has %s=%q", name, e.Name.Local, a.Name.Local, a.Value)
				}
			}
		})
		for ref := range refs {
			// A legend uses the patterns of its chart.
			if !ids[ref] && !strings.HasSuffix(name, "-legend") {
				t.Errorf("%s refers to %s, which is not in it", name, ref)
			}
		}
	}
}

// What is in an image cannot be reached with the keyboard or a screen reader:
// links are beside it.
func TestLinksAreNotInsideTheImage(t *testing.T) {
	var inside []bool // for each open element, whether it is an image or in one
	images, links := 0, 0
	for d := xml.NewDecoder(strings.NewReader(days(30, 11).Picture().Inline())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			in := len(inside) > 0 && inside[len(inside)-1]
			if slices.Contains(token.Attr, xml.Attr{Name: xml.Name{Local: "role"}, Value: "img"}) {
				images, in = images+1, true
			}
			if token.Name.Local == "a" {
				links++
				if in {
					t.Error("a link is inside the image")
				}
			}
			inside = append(inside, in)
		case xml.EndElement:
			inside = inside[:len(inside)-1]
		}
	}
	if images != 1 || links != 30 {
		t.Errorf("got %d images and %d links, want 1 and 30", images, links)
	}
}

const hostile = "\"><script>alert('x')</script>&]]>\x00\x1b\xff\u202e"

func TestHostileWords(t *testing.T) {
	c := days(3, 1)
	c.Frame = Frame{ID: `x" onload="alert(1)`, Title: hostile, Desc: hostile}
	c.Series, c.Pace.Name, c.PartialName, c.Tick = []string{hostile, hostile}, hostile, hostile, func(uint64) string { return hostile }
	for i := range c.Columns {
		c.Columns[i].Label, c.Columns[i].Name = hostile, hostile
	}
	m := HeatMap{Frame: Frame{Title: hostile}, Rows: []string{hostile}, Columns: []string{hostile}, Tick: c.Tick, Cells: [][]Cell{{{Value: 1, Name: hostile, Href: "/?q=" + hostile}}}}
	g := meter(1, 2, 3e12)
	g.PaceText, g.CapText, g.Title, g.UsedName = hostile, hostile, hostile, hostile
	drawings := map[string]string{"spark": Spark{Title: hostile}.Inline(), "bar": Bar{Title: hostile}.Inline()}
	for name, p := range map[string]Picture{"columns": c.Picture(), "map": m.Picture(), "meter": g.Picture()} {
		drawings[name], drawings[name+"-legend"], drawings[name+"-alone"] = p.Inline(), p.Legend(), p.Standalone(400, Dark)
	}
	for name, drawing := range drawings {
		walk(t, name, drawing, func(e xml.StartElement) {
			if e.Name.Local == "script" {
				t.Errorf("%s: a label became a script", name)
			}
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s: a label became the attribute %s", name, a.Name.Local)
				}
			}
		})
		if strings.ContainsAny(drawing, "\x00\x1b") || !utf8.ValidString(drawing) {
			t.Errorf("%s has control characters", name)
		}
	}
	if words := walk(t, "columns", drawings["columns"], func(xml.StartElement) {}); !strings.Contains(words, "<script>alert('x')</script>&]]>") {
		t.Error("the label's words are not shown as they are")
	}
}

func TestLinksStayOnTheSite(t *testing.T) {
	for href, want := range map[string]bool{
		"/days/2026-11-12?host=a&b=c": true, "?period=2026-11-12": true, "#x": true,
		"": false, "javascript:alert(1)": false, "//evil.example/": false, `/\evil.example/`: false, "https://evil.example/": false, " /x": false, "data:text/html,x": false,
	} {
		c := Columns{Columns: []Column{{Name: "a day", Href: href, Parts: []uint64{1}}}}
		if got := strings.Contains(c.Picture().Inline(), "<a href="); got != want {
			t.Errorf("%q: got a link %t, want %t", href, got, want)
		}
	}
}

// A chart of 30 days with two series costs a page at most 2 kB.
func TestSizeOfAMonth(t *testing.T) {
	const most = 2 * 1024
	for i := range 2 {
		c := days(30, 11+i*20)
		for j := range c.Columns {
			c.Columns[j].Name = fmt.Sprintf("%d Nov: %.1f GB received, %.2f GB sent", j+1, math.Sqrt(float64(j))*3.7, math.Sqrt(float64(j*7)))
		}
		p := c.Picture()
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, p.Inline()+p.Legend()); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes, %d gzipped", len(p.Inline())+len(p.Legend()), b.Len())
		if b.Len() > most {
			t.Errorf("got %d bytes gzipped, want at most %d", b.Len(), most)
		}
	}
}
