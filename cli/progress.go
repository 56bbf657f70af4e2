package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a long task is: a bar on a terminal, a line every
// tenth elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar
	out   io.Writer
	what  string
	tenth int
}

func (p *program) progress(what string) *progress {
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{bar: progressbar.NewOptions(1000,
			progressbar.OptionSetWriter(f),
			progressbar.OptionSetDescription(what),
			progressbar.OptionShowElapsedTimeOnFinish(),
			progressbar.OptionClearOnFinish())}
	}
	return &progress{out: p.stderr, what: what, tenth: -1}
}

// set takes how much of the whole is done.
func (b *progress) set(done, total int) {
	part := float64(done) / float64(max(total, 1))
	if b.bar != nil {
		_ = b.bar.Set(int(part * 1000)) // a bar that can't be drawn harms nobody
		return
	}
	if tenth := int(part * 10); tenth > b.tenth {
		b.tenth = tenth
		fmt.Fprintf(b.out, "%s: %d %%\n", b.what, tenth*10)
	}
}

// part takes the part done, 0 to 1.
func (b *progress) part(done float64) { b.set(int(done*1000), 1000) }

func (b *progress) done() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}

func readFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w; name a file that can be read", err)
	}
	return text, nil
}
