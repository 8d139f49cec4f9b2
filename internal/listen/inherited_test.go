package listen

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestInheritedNames(t *testing.T) {
	t.Parallel()
	const self = 42
	for name, tt := range map[string]struct {
		fds, pid, names string
		want            int // sockets; -1: an error
		says            string
	}{
		"none":                     {want: 0},
		"a process number alone":   {pid: "42", want: 0},
		"zero":                     {fds: "0", pid: "42", want: 0},
		"two without names":        {fds: "2", pid: "42", want: 2},
		"two with names":           {fds: "2", pid: "42", names: "a:metrics", want: 2},
		"one with an empty name":   {fds: "2", pid: "42", names: "a:", want: 2},
		"another process":          {fds: "1", pid: "41", want: -1, says: "exec"},
		"no process":               {fds: "1", want: -1, says: "LISTEN_PID"},
		"a process that is a word": {fds: "1", pid: "me", want: -1, says: `"me"`},
		"a negative process":       {fds: "1", pid: "-42", want: -1, says: "LISTEN_PID"},
		"a number that is a word":  {fds: "one", pid: "42", want: -1, says: `"one"`},
		"a negative number":        {fds: "-1", pid: "42", want: -1, says: "LISTEN_FDS"},
		"too many":                 {fds: "1025", pid: "42", want: -1, says: "1024"},
		"beyond an int":            {fds: "99999999999999999999", pid: "42", want: -1, says: "LISTEN_FDS"},
		"fewer names":              {fds: "2", pid: "42", names: "a", want: -1, says: "LISTEN_FDNAMES"},
		"more names":               {fds: "1", pid: "42", names: "a:b", want: -1, says: "LISTEN_FDNAMES"},
	} {
		names, err := inherited(tt.fds, tt.pid, tt.names, self)
		switch {
		case (tt.want < 0) != (err != nil), err == nil && len(names) != tt.want:
			t.Errorf("%s: %q, %v", name, names, err)
		case err != nil && !strings.Contains(err.Error(), tt.says):
			t.Errorf("%s: the error does not say %q: %v", name, tt.says, err)
		case errors.Is(err, ErrOtherProcess) != (name == "another process"):
			t.Errorf("%s: %v", name, err)
		case tt.names != "" && err == nil && strings.Join(names, ":") != tt.names:
			t.Errorf("%s: %q", name, names)
		}
	}
}

func FuzzInherited(f *testing.F) {
	f.Add("2", "42", "a:b")
	f.Add("", "", "")
	f.Add("1025", "42", "")
	f.Fuzz(func(t *testing.T, fds, pid, names string) {
		all, err := inherited(fds, pid, names, 42)
		if err != nil && all != nil || len(all) > maxInherited {
			t.Fatalf("%d names, %v", len(all), err)
		}
		if n, bad := strconv.Atoi(fds); err == nil && fds != "" && (bad != nil || n != len(all)) {
			t.Fatalf("%q gave %d names", fds, len(all))
		}
	})
}

// A descriptor that is not a listening socket is an error that says what it is.
func TestNotAListeningSocket(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if l, err := take(int(file.Fd()), "x"); err == nil {
		l.Close()
		t.Error("a file was taken for a socket")
	}
}
