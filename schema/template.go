package schema

import (
	"strings"
	"text/template"
)

// render fills an embedded query with identifiers and queries of this package.
// Values of the data go in as the driver's parameters, never here.
func render(name string, data any) string {
	t := template.Must(template.New(name).Funcs(template.FuncMap{"join": strings.Join, "inc": func(i int) int { return i + 1 }, "include": render}).Parse(query(name)))
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		panic(err) // a query of this package that does not fit its data
	}
	return b.String()
}
