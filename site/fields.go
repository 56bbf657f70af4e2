package site

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FieldErrors says what is wrong with a form: a sentence with the remedy for
// each field that is wrong.
type FieldErrors map[string]string //nolint:errname // it holds several errors

// Error joins the sentences in the order of the fields' names.
func (e FieldErrors) Error() string {
	var b strings.Builder
	for i, field := range slices.Sorted(maps.Keys(e)) {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(field + ": " + e[field])
	}
	return b.String()
}

// or returns the errors, nil when there are none.
func (e FieldErrors) or() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// within adds the errors of a part, its name before each field.
func (e FieldErrors) within(part string, err error) {
	var fields FieldErrors
	switch {
	case err == nil:
	case errors.As(err, &fields):
		for field, sentence := range fields {
			e[part+"."+field] = sentence
		}
	default:
		e[part] = err.Error()
	}
}

var errNoZone = errors.New("not the name of a time zone")

// maxName is the longest name of anything, in characters.
const maxName = 100

// checkName says what is wrong with a name that people see, "" when nothing.
func checkName(name string) string {
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "The name holds characters that cannot be shown; leave them out."
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Sprintf("The name is longer than %d characters; shorten it.", maxName)
	}
	return ""
}
