package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/charts"
)

//go:embed templates static
var embedded embed.FS

// devRoot is where templates and static files are read from with Dev, relative
// to the module root.
const devRoot = "server"

// pageRoom is what most pages are shorter than, in bytes.
const pageRoom = 48 << 10

// renderer turns page data into HTML and serves the static files the pages
// need. Each page is templates/<page>.html, which defines "content"; all share
// templates/layout.html and templates/partials.
type renderer struct {
	files fs.FS
	dev   bool
	set   *pageSet
}

// pageSet is everything parsed from the files, once.
type pageSet struct {
	pages  map[string]*template.Template
	assets map[string]asset  // by URL name: style.0123456789ab.css
	names  map[string]string // style.css → style.0123456789ab.css
}

// asset is one static file, ready to send.
type asset struct {
	contentType string
	plain, gzip []byte
}

// newRenderer parses all pages, from the program itself or, with dev, from
// disk at every request.
func newRenderer(dev bool) (*renderer, error) {
	p := &renderer{files: embedded, dev: dev}
	if dev {
		p.files = os.DirFS(devRoot)
	}
	set, err := parsePages(p.files)
	if err != nil {
		return nil, err
	}
	p.set = set
	return p, nil
}

// current returns the parsed files; with dev, as they are on disk now.
func (p *renderer) current() (*pageSet, error) {
	if !p.dev {
		return p.set, nil
	}
	return parsePages(p.files)
}

func (p *renderer) render(w http.ResponseWriter, r *http.Request, status int, page string, data any) error {
	set, err := p.current()
	if err != nil {
		return err
	}
	t, ok := set.pages[page]
	if !ok {
		return fmt.Errorf("render page %q: no such template", page)
	}
	buf := bytes.NewBuffer(make([]byte, 0, pageRoom))
	if err := t.ExecuteTemplate(buf, "layout", data); err != nil {
		return fmt.Errorf("render page %q: %w", page, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(buf.Bytes()) // The client may have left; that is no error of ours.
	return nil
}

// serveStatic answers /static/{name}. Names carry a hash of the content, so
// that browsers may keep them for ever.
func (p *renderer) serveStatic(w http.ResponseWriter, r *http.Request) error {
	set, err := p.current()
	if err != nil {
		return err
	}
	a, ok := set.assets[path.Base(r.URL.Path)]
	if !ok {
		http.NotFound(w, r)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	body := a.plain
	if a.gzip != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = a.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(body) // As above.
	return nil
}

func parsePages(files fs.FS) (*pageSet, error) {
	set := &pageSet{pages: map[string]*template.Template{}, assets: map[string]asset{}, names: map[string]string{}}
	if err := set.loadAssets(files); err != nil {
		return nil, err
	}
	root, err := template.New("root").Funcs(template.FuncMap{"asset": set.url}).ParseFS(files, "templates/layout.html", "templates/partials/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	pages, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	for _, file := range pages {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" {
			continue
		}
		t, err := root.Clone()
		if err != nil {
			return nil, fmt.Errorf("parse page %q: %w", name, err)
		}
		if t, err = t.ParseFS(files, file); err != nil {
			return nil, fmt.Errorf("parse page %q: %w", name, err)
		}
		set.pages[name] = t
	}
	return set, nil
}

func (set *pageSet) loadAssets(files fs.FS) error {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return fmt.Errorf("list static files: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := fs.ReadFile(files, path.Join("static", e.Name()))
		if err != nil {
			return fmt.Errorf("read static file: %w", err)
		}
		if e.Name() == "style.css" {
			data = append(data, charts.CSS()...)
		}
		if err := set.add(e.Name(), data); err != nil {
			return err
		}
	}
	return nil
}

func (set *pageSet) add(name string, data []byte) error {
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a := asset{contentType: contentType(ext), plain: data}
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	if _, err := z.Write(data); err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	if buf.Len() < len(data) {
		a.gzip = buf.Bytes()
	}
	set.assets[hashed] = a
	set.names[name] = hashed
	return nil
}

// url returns the address of a static file. An unknown name is an error of
// ours, found by every test that renders the page.
func (set *pageSet) url(name string) (string, error) {
	hashed, ok := set.names[name]
	if !ok {
		return "", errors.New("no static file " + name)
	}
	return "/static/" + hashed, nil
}

// contentType does not ask the system's tables for the types we ship, which
// differ between machines.
func contentType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}
