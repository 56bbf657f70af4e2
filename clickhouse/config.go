package clickhouse

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"text/template"
)

//go:embed config.xml
var configXML string

//go:embed users.xml
var usersXML string

// configValues are what config.xml and users.xml are filled with.
type configValues struct {
	Dir          engineDir
	TCP, HTTP    int
	Server       bool   // for clickhouse server; else for the library
	MemoryLimit  uint64 // bytes for the whole engine
	QueryMemory  uint64 // bytes a query
	SpillMemory  uint64 // bytes after which sorting and grouping go to disk
	Fsync        int
	Database     string
	OwnerSHA256  string
	ReaderSHA256 string
	Grants       []string
	Extra        string // further elements, XML
}

// writeConfig writes the engine's two configuration files.
func (d engineDir) writeConfig(v configValues) error {
	v.Dir, v.Database = d, DefaultDatabase
	v.QueryMemory = v.MemoryLimit * 6 / 10
	v.SpillMemory = v.MemoryLimit * 2 / 10
	for user, sum := range map[string]*string{ownerUser: &v.OwnerSHA256, readerUser: &v.ReaderSHA256} {
		password, err := d.password(user)
		if err != nil {
			return explainDir(string(d), err)
		}
		h := sha256.Sum256([]byte(password))
		*sum = hex.EncodeToString(h[:])
	}
	for name, text := range map[string]string{"config.xml": configXML, "users.xml": usersXML} {
		t, err := template.New(name).Funcs(template.FuncMap{"xml": escapeXML}).Parse(text)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			return fmt.Errorf("fill %s: %w", name, err)
		}
		if err := writeFile(d.Path(name), b.Bytes()); err != nil {
			return explainDir(string(d), err)
		}
	}
	return nil
}

func escapeXML(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}
