package server

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// parseHTML reads a page; what a browser would have to repair silently is not
// looked for here.
func parseHTML(t *testing.T, body string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatalf("parse page: %v", err)
	}
	return doc
}

// find returns the elements a selector matches, in order. It knows what the
// tests need of CSS: tag, #id, .class, [attr], [attr=value] and descendants.
func find(n *html.Node, selector string) []*html.Node {
	parts := strings.Fields(selector)
	var found []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && selects(d, parts) {
			found = append(found, d)
		}
	}
	return found
}

func selects(n *html.Node, parts []string) bool {
	last := len(parts) - 1
	if !selectsOne(n, parts[last]) {
		return false
	}
	if last == 0 {
		return true
	}
	for p := range n.Ancestors() {
		if p.Type == html.ElementNode && selects(p, parts[:last]) {
			return true
		}
	}
	return false
}

func selectsOne(n *html.Node, compound string) bool {
	rest := compound
	for rest != "" {
		next := strings.IndexAny(rest[1:], "#.[") + 1
		if rest[0] == '[' {
			next = strings.IndexByte(rest, ']') + 1
		}
		if next <= 0 {
			next = len(rest)
		}
		if !selectsSimple(n, rest[:next]) {
			return false
		}
		rest = rest[next:]
	}
	return true
}

func selectsSimple(n *html.Node, simple string) bool {
	switch simple[0] {
	case '#':
		return attr(n, "id") == simple[1:]
	case '.':
		return slices.Contains(strings.Fields(attr(n, "class")), simple[1:])
	case '[':
		key, value, hasValue := strings.Cut(strings.Trim(simple, "[]"), "=")
		return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key && (!hasValue || a.Val == value) })
	}
	return n.Data == simple
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text is the text of an element, blanks folded.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// texts are the texts of all elements a selector matches.
func texts(n *html.Node, selector string) []string {
	var list []string
	for _, e := range find(n, selector) {
		list = append(list, text(e))
	}
	return list
}
