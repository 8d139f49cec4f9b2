package auth_test

import (
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

func TestNickname(t *testing.T) {
	t.Parallel()
	const bad = maru.CodeBadNickname
	for name, c := range map[string]struct {
		in, want string
		code     maru.Code
	}{
		"plain":                       {"kim", "kim", ""},
		"case is kept":                {"Kim", "Kim", ""},
		"Korean":                      {"김철수", "김철수", ""},
		"Korean in Jamo is composed":  {"\u1100\u1175\u11b7", "김", ""},
		"accent is composed":          {"Jose\u0301", "José", ""},
		"inner space":                 {"kim lee", "kim lee", ""},
		"ASCII space around":          {" \tkim\r\n", "kim", ""},
		"Unicode space around":        {"\u3000\u00a0kim\u2003\u2028", "kim", ""},
		"punctuation":                 {"kim => lee \"<&>", "kim => lee \"<&>", ""},
		"one character":               {"x", "x", ""},
		"32 characters":               {strings.Repeat("가", 32), strings.Repeat("가", 32), ""},
		"32 and space around":         {" " + strings.Repeat("x", 32) + " ", strings.Repeat("x", 32), ""},
		"64 code points that compose": {strings.Repeat("e\u0301", 32), strings.Repeat("é", 32), ""},
		"emoji":                       {"🐯", "🐯", ""},
		"emoji of several":            {"👩\u200d💻", "👩\u200d💻", ""},
		"emoji of several with tones": {"👩🏽\u200d🚀", "👩🏽\u200d🚀", ""},
		"emoji with selector":         {"❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥", ""},
		"Arabic":                      {"سارة", "سارة", ""},

		"empty":                     {"", "", bad},
		"only space":                {" \u3000\t", "", bad},
		"33 characters":             {strings.Repeat("가", 33), "", bad},
		"composition excluded":      {strings.Repeat("\u0958", 17), "", bad}, // becomes two each
		"not UTF-8":                 {"k\xffm", "", bad},
		"half of a pair":            {"k\xed\xa0\x80m", "", bad},
		"replacement character":     {"k\ufffdm", "", bad},
		"NUL":                       {"k\x00m", "", bad},
		"line feed":                 {"kim\nlee", "", bad},
		"escape":                    {"\x1b[31mkim", "", bad},
		"delete":                    {"k\x7fm", "", bad},
		"C1":                        {"k\u0090m", "", bad},
		"line separator":            {"kim\u2028lee", "", bad},
		"zero-width space":          {"kim\u200b", "", bad},
		"joiner in a name":          {"k\u200dim", "", bad},
		"joiner in Hangul":          {"김\u200d철", "", bad},
		"joiner at the start":       {"\u200d🔥", "", bad},
		"joiner at the end":         {"🔥\u200d", "", bad},
		"two joiners":               {"🔥\u200d\u200d🔥", "", bad},
		"byte order mark":           {"\ufeffkim", "", bad},
		"right-to-left override":    {"\u202emik", "", bad},
		"isolate":                   {"\u2066kim", "", bad},
		"soft hyphen":               {"ki\u00adm", "", bad},
		"tag characters":            {"🏴\U000e0067", "", bad},
		"only a Hangul filler":      {"\u3164", "", bad},
		"only half-width filler":    {"\uffa0\uffa0", "", bad},
		"only a Braille blank":      {"\u2800", "", bad},
		"only a combining mark":     {"\u0301", "", bad},
		"only a variation selector": {"\ufe0f", "", bad},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := auth.Nickname(c.in)
			if got != c.want || code(err) != c.code {
				t.Errorf("got %q, %v, want %q, code %q", got, err, c.want, c.code)
			}
		})
	}
}
