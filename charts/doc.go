// Package charts draws small charts: a typed spec of plain numbers becomes a
// display list (Picture), and writers turn that into SVG inside a page, into an SVG
// file that stands alone, or into a PNG file. It knows no traffic, no units and no time:
// labels come from the caller.
//
// Inside a page a chart keeps its text and line widths at every width from a
// phone to a wide screen: horizontal positions are written in percent, all
// else in pixels, and labels that would touch are left out by container
// queries. Nothing is written as a style, so a strict Content-Security-Policy
// holds; the page includes CSS(), and classes.md lists its classes and tokens.
//
// Everything a caller passes as text is escaped. Links lead only to places of
// the same site.
package charts
