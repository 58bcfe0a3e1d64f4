package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilesThatSayHowAServerIsReached(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "client.yml")
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"", ""},
		"all that there is":     {"basic_auth: {username: a, password_file: secret}\nhttp_headers: {X-Scope-OrgID: {files: [secret]}}\ntls_config: {server_name: x}\n", ""},
		"an unknown key":        {"basic_auth:\n  username: a\n  pasword: b\n", `:3: basic_auth: there is no key "pasword" here`},
		"a word for a list":     {"http_headers:\n  X-Scope-OrgID:\n    values: ops\n", ":3: http_headers.X-Scope-OrgID.values: a list is wanted here"},
		"no YAML":               {"basic_auth: {username\n", ":2: did not find expected"},
		"two ways":              {"\nbasic_auth: {username: a, password: b}\nauthorization: {credentials: c}\n", ":2: basic_auth: at most one of basic_auth, oauth2 & authorization"},
		"a password twice":      {"basic_auth:\n  username: a\n  password: hunter2\n  password_file: secret\n", ":1: basic_auth: at most one of basic_auth password, password_file"},
		"a certificate alone":   {"enable_http2: false\ntls_config:\n  cert_file: secret\n", ":2: tls_config"},
		"a header that is ours": {"http_headers:\n  Authorization: {values: [x]}\n", `:2: http_headers.Authorization: setting header "Authorization" is not allowed`},
		"no such password":      {"basic_auth:\n  username: a\n  password_file: nowhere\n", ":3: basic_auth.password_file: open " + filepath.Join(dir, "nowhere")},
		"no such header file":   {"http_headers:\n  X-Scope-OrgID: {files: [secret, nowhere]}\n", ":2: http_headers.X-Scope-OrgID.files[1]: open "},
		"an authority of words": {"\ntls_config: {ca_file: secret}\n", ":2: tls_config: unable to use specified CA cert"},
		"no such authority":     {"tls_config: {ca_file: nowhere}\n", ":1: tls_config.ca_file: open "},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadHTTPClient(file)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got.BasicAuth != nil && got.BasicAuth.PasswordFile != filepath.Join(dir, "secret") {
				t.Errorf("%s: the password is in %s", name, got.BasicAuth.PasswordFile)
			}
			if !got.EnableHTTP2 || !got.FollowRedirects {
				t.Errorf("%s: the defaults are gone", name)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), file+c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", name, err, file+c.want)
		}
	}
	if _, err := LoadHTTPClient(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there is read")
	}
}
