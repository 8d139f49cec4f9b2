package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd understands maru.service with each of the files of maru.service.d.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze on this machine")
	}
	for _, name := range []string{"cluster.conf", "nats.conf"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			unit := strings.ReplaceAll(read(t, "../maru.service"), "/usr/local/bin/maru serve", program(t, "maru")+" serve")
			if err := os.WriteFile(filepath.Join(dir, "maru.service"), []byte(unit), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "maru.service.d"), 0o700); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(read(t, "maru.service.d/"+name), "/etc/maru/cluster.env", "/dev/null")
			if err := os.WriteFile(filepath.Join(dir, "maru.service.d", name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(analyze, "verify", filepath.Join(dir, "maru.service")).CombinedOutput()
			if err != nil || strings.Contains(string(out), "maru.service") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
