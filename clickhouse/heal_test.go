package clickhouse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Block a's part is there, b's was merged into a larger one, c was dropped by
// the engine; d and e are phantoms, e's line follows one that was cut off.
func TestHealDeduplicationLogs(t *testing.T) {
	data := t.TempDir()
	table := filepath.Join(data, "store", "0ab", "0ab-uuid")
	logs := filepath.Join(table, "deduplication_logs")
	for _, dir := range []string{logs, "202611_1_1_0", "202611_2_5_1_7", "tmp_insert_202611_9_9_0", "detached"} {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(table, dir)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(logs, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("deduplication_log_9.txt", "1\t202611_1_1_0\ta\n1\t202611_3_3_0\tb\n1\t202611_4_4_0\tc\n2\t202611_4_4_0\tc\n1\t202611_9_9_0\td\n")
	write("deduplication_log_10.txt", "1\t202610_1_1_0\te\n1\t2026")

	n, err := healDeduplicationLogs(data)
	if err != nil || n != 2 {
		t.Fatalf("phantoms: got %d, %v, want 2", n, err)
	}
	b, err := os.ReadFile(filepath.Join(logs, "deduplication_log_10.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1\t202610_1_1_0\te", "1\t2026", "2\t202611_9_9_0\td", "2\t202610_1_1_0\te", ""}
	if diff := cmp.Diff(want, strings.Split(string(b), "\n")); diff != "" {
		t.Errorf("newest log (-want +got):\n%s", diff)
	}
	if n, err := healDeduplicationLogs(data); err != nil || n != 0 {
		t.Errorf("phantoms after mending: got %d, %v, want none", n, err)
	}
}
