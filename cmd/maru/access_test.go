package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/auth"
)

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const secretText = "0123456789abcdef0123456789abcdef\n"

func TestToken(t *testing.T) {
	t.Parallel()
	key := file(t, "token.key", secretText)
	config := file(t, "maru.toml", "token-key = ['"+key+"']\ntoken-issuer = \"id\"\ntoken-audience = \"maru\"\n")
	got := call(t, "", nil, "token", "--config", config, "--user", "kim", "--channel", "chat:1", "--channel", "news:*", "--expires", "5m", "--id", "J")
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	parsed, err := auth.ParseKey([]byte(secretText))
	if err != nil {
		t.Fatal(err)
	}
	tokens := auth.NewTokens(auth.TokenOptions{Keys: []auth.Key{parsed}, Issuer: "id", Audience: "maru"})
	who, err := tokens.Verify(t.Context(), strings.TrimSuffix(got.stdout, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if who.User != "kim" || who.Grant.ID != "J" || strings.Join(who.Grant.Channels, " ") != "chat:1 news:*" ||
		time.Until(who.Grant.Expires) > 5*time.Minute || time.Until(who.Grant.Expires) < 4*time.Minute {
		t.Errorf("%+v %+v", who, who.Grant)
	}
	byKey := call(t, "", []string{"MARU_TOKEN_KEY=" + key}, "token", "--user", "kim")
	if byKey.code != exitOK || strings.Count(byKey.stdout, ".") != 2 {
		t.Errorf("%+v", byKey)
	}
}

func TestTokenAPIKey(t *testing.T) {
	t.Parallel()
	got := call(t, "", nil, "token", "--api-key")
	if got.code != exitOK || !regexp.MustCompile(`^maru_[\w-]{43}\n#.*\napi-key = \["sha256:[0-9a-f]{64}"\]\n$`).MatchString(got.stdout) {
		t.Fatalf("%+v", got)
	}
	hash := regexp.MustCompile(`sha256:\w+`).FindString(got.stdout)
	if _, err := auth.ParseAPIKeys([]string{hash}); err != nil {
		t.Error(err)
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	key, short, public := file(t, "k", secretText), file(t, "s", "short"), file(t, "p", publicKey)
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no key":         {[]string{"--user", "kim"}, exitUsage, "--key FILE"},
		"no such file":   {[]string{"--key", filepath.Join(t.TempDir(), "none")}, exitFailure, "none"},
		"short secret":   {[]string{"--key", short}, exitFailure, "32 bytes"},
		"public key":     {[]string{"--key", public}, exitFailure, "public key cannot sign"},
		"for ever":       {[]string{"--key", key, "--expires", "100000h"}, exitUsage, "--expires"},
		"already over":   {[]string{"--key", key, "--expires", "0s"}, exitUsage, "--expires"},
		"bad channel":    {[]string{"--key", key, "--channel", "a/b"}, exitUsage, "--channel"},
		"bad user":       {[]string{"--key", key, "--user", "a\nb"}, exitFailure, "user"},
		"unknown option": {[]string{"--key", key, "--name", "kim"}, exitUsage, "--name"},
	} {
		got := call(t, "", nil, append([]string{"token"}, tt.args...)...)
		if got.code != tt.code || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	config := file(t, "maru.toml", "token-key = ['"+public+"']")
	if got := call(t, "", nil, "token", "--config", config); got.code != exitFailure || !strings.Contains(got.stderr, "public") {
		t.Errorf("%+v", got)
	}
}

// publicKey is one of Ed25519.
const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`

func TestCheckDescribes(t *testing.T) {
	t.Parallel()
	path := file(t, "maru.toml", `
listen = [":3000"]
nicknames = true

[namespaces.default]
subscribe = "anyone"
history = "anyone"

[namespaces.inbox]
subscribe = "own"
publish = "user"
history_count = 0

[namespaces.quotes]
subscribe = "token"
history = "token"
publish = "server"
history_count = 1000
history_age = "90m"
history_bytes = "1MiB"
`)
	got := call(t, "", nil, "check", path)
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	golden(t, "check.golden", strings.ReplaceAll(got.stdout, path, "maru.toml"))
	for _, again := range []result{call(t, "", []string{"MARU_CONFIG=" + path}, "check"), call(t, "", nil, "check", "--config", path)} {
		if again.stdout != got.stdout {
			t.Errorf("%+v", again)
		}
	}
	open := call(t, "", nil, "check", file(t, "open.toml", "history = 5"))
	if open.code != exitOK || !strings.Contains(open.stdout, "open mode") {
		t.Errorf("%+v", open)
	}
	closed := call(t, "", nil, "check", file(t, "closed.toml", "[namespaces]"))
	if closed.code != exitOK || !strings.Contains(closed.stdout, "all others  nobody") {
		t.Errorf("%+v", closed)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key":    {"\n[namespaces.a]\nsubscribed = \"anyone\"", ":3: unknown option"},
		"unknown rule":   {"[namespaces.a]\n\npublish = \"everybody\"", ":3: namespaces.a.publish: must be anyone"},
		"open to all":    {"listen = [\":3000\"]", ":1: listen"},
		"bad key":        {"token-key = [\"/none\"]", "/none"},
		"bad origin":     {"origin = [\"example.com/\"]", "example.com/"},
		"several":        {"history = -1\nbacklog = 0", ":2: backlog"},
		"no TOML":        {"a b", ":1:"},
		"open and ruled": {"open = true\n[namespaces.a]", ":1: open"},
	} {
		path := file(t, "maru.toml", tt.text)
		got := call(t, "", nil, "check", path)
		if got.code != exitFailure || !strings.Contains(got.stderr, tt.want) || !strings.Contains(got.stderr, path) || got.stdout != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := call(t, "", nil, "check"); got.code != exitUsage {
		t.Errorf("without anything: %+v", got)
	}
	if got := call(t, "", nil, "check", filepath.Join(t.TempDir(), "none")); got.code != exitFailure {
		t.Errorf("no such file: %+v", got)
	}
}

// check decides about the flags and the environment as serve does.
func TestCheckKnowsFlagsAndEnvironment(t *testing.T) {
	t.Parallel()
	path := file(t, "maru.toml", "history = 7\n[namespaces.inbox]\nsubscribe = 'anyone'\nhistory = 'anyone'\ndurability = 'sync'\n")
	open := file(t, "open.toml", "history = 7")
	for name, tt := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"only the file":           {nil, []string{path}, exitFailure, path + ":5: namespaces.inbox.durability"},
		"a flag repairs it":       {nil, []string{path, "--data", "/none"}, exitOK, "valid together with --data"},
		"a variable repairs it":   {[]string{"MARU_DATA=/none"}, []string{path}, exitOK, "valid together with MARU_DATA"},
		"a flag over the file":    {nil, []string{path, "--data", "/none", "--history", "8"}, exitOK, "8 for 24h"},
		"a flag before the file":  {nil, []string{"--data", "/none", path}, exitOK, "7 for 24h"},
		"a variable over it":      {[]string{"MARU_HISTORY=9"}, []string{path, "--data", "/none"}, exitOK, "9 for 24h"},
		"a flag over a variable":  {[]string{"MARU_HISTORY=9"}, []string{path, "--data", "/none", "--history", "8"}, exitOK, "8 for 24h"},
		"a bad variable":          {[]string{"MARU_HISTORY=many"}, []string{open}, exitFailure, "MARU_HISTORY"},
		"an unknown variable":     {[]string{"MARU_PLING=1"}, []string{open}, exitFailure, "MARU_PLING"},
		"one of Kubernetes":       {[]string{"MARU_PORT=tcp://10.0.0.7:3000"}, []string{open}, exitOK, "valid"},
		"an unknown flag":         {nil, []string{open, "--pling"}, exitUsage, "--pling"},
		"a port":                  {nil, []string{open, "--port", "3000"}, exitUsage, "--listen"},
		"a flag opens it to all":  {nil, []string{open, "--listen", ":3000"}, exitFailure, "--open"},
		"a flag without a file":   {nil, []string{"--listen", ":3000", "--open"}, exitOK, "Without a configuration file, --listen, --open is valid"},
		"a key that is not there": {nil, []string{open, "--token-key", "/none"}, exitFailure, "/none"},
		"two files":               {nil, []string{open, "--config", path}, exitUsage, "FILE or --config"},
	} {
		got := call(t, "", tt.env, append([]string{"check"}, tt.args...)...)
		if got.code != tt.code || !strings.Contains(got.stdout+got.stderr, tt.want) {
			t.Errorf("%s: %+v, want %q", name, got, tt.want)
		}
	}
}

// publish and subscribe come with a token, to the server that they call only.
func TestComesWithAToken(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token was shown to another server")
		}
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer T" {
			t.Errorf("came with %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	call(t, "", []string{"MARU_TOKEN=T"}, "publish", "--server", server.URL, "a", "hi")
	call(t, "", []string{"MARU_TOKEN=X"}, "publish", "--token", "T", "--server", server.URL, "a", "hi")
}
