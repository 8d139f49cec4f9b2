package bad

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// On a full disk publications are refused, and nothing else: connections stay open and history is
// served. With free space publishing works again, without a restart and without a hole.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount := fmt.Sprintf("mount -t tmpfs -o size=10m none %s", dir)
	if out, err := exec.Command("unshare", "-m", "sh", "-c", mount).CombinedOutput(); err != nil {
		t.Skipf("the test mounts a file system, which only root may: %v: %s", err, out)
	}
	serve := mount + ` && exec "$0" serve --listen 127.0.0.1:0 --history 100000 --data ` + dir + "/data"
	h := open(t, exec.Command("unshare", "-m", "sh", "-c", serve, maru), 0)
	one, other := h.enter(), h.enter()
	h.talk(one, other, "before")

	large := strings.Repeat("0123456789abcdef", 16<<10)
	taken := 1
	for ; ; taken++ {
		status, answer := h.publish(large)
		if status == http.StatusInsufficientStorage && strings.Contains(answer, `"storage_full"`) {
			break
		}
		if status != http.StatusOK || taken > 100 {
			t.Fatalf("publication %d on a disk of 10 MB: %d %s", taken, status, answer)
		}
	}
	if status, _ := h.publish("small"); status != http.StatusInsufficientStorage {
		t.Errorf("after that: %d", status)
	}
	if n := strings.Count(h.history(), `"offset"`); n < taken {
		t.Errorf("%d of %d are answered", n, taken)
	}
	select {
	case code := <-other.gone:
		t.Fatalf("the connection was closed with %d", code)
	default:
	}

	remount := exec.Command("nsenter", "-t", fmt.Sprint(h.ID()), "-m", "mount", "-o", "remount,size=64m", dir)
	if out, err := remount.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h.until("publications are accepted again", func() bool { status, _ := h.publish("free again"); return status == http.StatusOK })
	h.talk(one, other, "after")
	h.Stderr.Await(t, "the history is written again")
	if _, err := os.Stat(dir + "/data"); err == nil {
		t.Error("the history was not on the small disk")
	}
}

// publish publishes in the hall.
func (h *process) publish(body string) (status int, answer string) {
	client := http.Client{Timeout: program.Patience}
	defer client.CloseIdleConnections()
	a, err := client.Post("http://"+h.addr+"/", "text/plain", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

// history is what is retained of the hall.
func (h *process) history() string {
	client := http.Client{Timeout: program.Patience}
	defer client.CloseIdleConnections()
	a, err := client.Get("http://" + h.addr + "/?limit=1000")
	if err != nil {
		h.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}
