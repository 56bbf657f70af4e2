package server

import (
	"net/http"
	"net/url"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// handler answers a request, or says what went wrong; the router turns the
// error into a page or a problem document.
type handler func(w http.ResponseWriter, r *http.Request) error

// Base is what every page needs for its frame. It is embedded in the data of
// every page.
type Base struct {
	Title, Path   string
	Active        string // the navigation entry to mark: overview, hosts, protocols, networks, history, settings, status
	User          string // "" = anonymous
	Role          string
	Receiving     bool   // flows arrived lately
	ReceivingText string // in words, for the dot
	Version       string
	Bare          bool           // without the navigation: for those who may see this page only
	Demo          bool           // a made-up history is among the data
	OfferDemo     bool           // it can be made now, by who asks
	Making        string         // how far it is being made, in percent; empty = it is not
	Unmade        bool           // it could not be made lately
	Flash         string         // said once, after a form was saved
	Settings      *site.Settings // never nil; without lines when not known
	Setup         string         // address of the next setup step, empty = set up
	Now           time.Time

	query url.Values // what the links to the other pages keep: the span and the filters
}

// Link is the address of another page with the span and filters of this one.
func (b Base) Link(path string) string { return state{query: b.query}.to(path) }

// base returns the frame of a page. Who asks, the receiving dot, the version
// and the settings are filled in by visit, in server.go.
func (s *Server) base(r *http.Request, title, active string) Base {
	b := Base{Title: title, Path: r.URL.Path, Active: active, Now: s.now()}
	s.visit(r, &b)
	return b
}

// render executes the page's template into a buffer and writes it, so that a
// failing template never leaves half a page. s.pages comes from newRenderer.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, page string, data any) error {
	return s.pages.render(w, r, status, page, data)
}
