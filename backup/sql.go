package backup

import _ "embed" // for the query below

//go:embed sql/columns.sql
var columnsSQL string
