package server

// Shortcut is a key and what it does. Where links carry the key, app.js
// follows them; the others it does itself.
type Shortcut struct{ Key, Shown, Does string }

// shortcuts are all keys there are: the list of the help, and of the links
// that carry one.
var shortcuts = []Shortcut{
	{"ArrowLeft", "←", "earlier period"},
	{"ArrowRight", "→", "later period"},
	{"T", "T", "this period"},
	{"L", "L", "last period"},
	{"Y", "Y", "this year"},
	{"A", "A", "all time"},
	{"X", "X", "compare with the time before, or with nothing"},
	{"/", "/", "find a host"},
	{"?", "?", "this list"},
	{"Escape", "Esc", "close a menu or this list"},
}

// Keys are the keys of every page, for its help.
func (b Base) Keys() []Shortcut { return shortcuts }
