package server

import (
	"strings"
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

func TestPasswordHashes(t *testing.T) {
	a := NewAccounts(nil)
	hash, err := a.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if hash == again || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashes %s and %s, want two salted argon2id ones", hash, again)
	}
	if !a.matches(hash, password) {
		t.Error("the password does not match its hash")
	}
	for _, wrong := range []string{"", password + " ", strings.ToUpper(password), strings.Repeat("x", maxPassword+1)} {
		if a.matches(hash, wrong) {
			t.Errorf("%.20q matches", wrong)
		}
	}
	for _, broken := range []string{
		"", "plain", "$argon2i$v=19$m=19456,t=2,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ", "$argon2id$v=19$m=99999999,t=2,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ",
		"$argon2id$v=19$m=19456,t=0,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ", "$argon2id$v=19$m=19456,t=2,p=1$YWFhYWFhYWE$", strings.TrimSuffix(hash, hash[len(hash)-4:]),
	} {
		if a.matches(broken, password) || a.matches(broken, "") {
			t.Errorf("%q matches a password", broken)
		}
	}
	// Unknown names cost what wrong passwords cost.
	got, ok := parseHash(nobody)
	if !ok || got.memory != hashMemory || got.passes != hashPasses || len(got.key) != hashLength {
		t.Errorf("the hash of nobody has other parameters than a new one: %+v, %v", got, ok)
	}
}

func TestCheckPasswordAndName(t *testing.T) {
	for password, ok := range map[string]bool{"1234567": false, "12345678": true, "пароль тут": true, "пароль": false, strings.Repeat("x", 2000): false} {
		if err := CheckPassword(password); (err == nil) != ok {
			t.Errorf("CheckPassword(%.20q) = %v, want ok %v", password, err, ok)
		}
	}
	for name, ok := range map[string]bool{"admin": true, "lena.m@home-1": true, "": false, "Lena": false, "a b": false, "<b>": false, strings.Repeat("a", 65): false} {
		if err := CheckAccountName(name); (err == nil) != ok {
			t.Errorf("CheckAccountName(%.20q) = %v, want ok %v", name, err, ok)
		}
	}
}

func TestAccountsShareTheTable(t *testing.T) {
	h := newHouse(t, Config{})
	cli := NewAccounts(h.conn)
	if err := cli.Set(t.Context(), Admin, Admin, "set on the command line"); err != nil {
		t.Fatal(err)
	}
	a, ok, err := NewAccounts(h.conn).Verify(t.Context(), Admin, "set on the command line")
	if err != nil || !ok || a.Role != Admin {
		t.Errorf("Verify = %+v, %v, %v; want the account", a, ok, err)
	}
	if err := cli.Delete(t.Context(), Admin); err == nil {
		t.Error("the last admin was removed")
	}
	if err := cli.Set(t.Context(), "bob", "root", "long enough here"); err == nil {
		t.Error("a role that is none was taken")
	}
	conn, _ := clickhousetest.Database(t)
	if _, err := NewAccounts(conn).List(t.Context()); err == nil {
		t.Error("accounts of a database without tables are no error")
	}
}
