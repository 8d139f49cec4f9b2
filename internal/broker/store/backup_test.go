package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/store"
)

// Issue 14, 9: a backup of a broker in use has everything, and what is restored from it begins a
// new epoch, keeps numbers, keys and records, and is in order.
func TestBackup(t *testing.T) {
	t.Parallel()
	o := in(t.TempDir(), kept(10, maru.Interval))
	b := open(t, o)
	keyed := maru.PublishOptions{IdempotencyKey: "k"}
	first := publish(t, b, "a", "x", keyed)
	for i := range 30 {
		publish(t, b, fmt.Sprintf("orders:%d", i%3), fmt.Sprint(i))
	}
	if err := b.Keep(t.Context(), "revoked", "kim", []byte("why"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	named := &maru.Publication{Data: []byte("y"), Event: "price"} // issue 16
	last, err := maru.Publish(t.Context(), b, "a", named, maru.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := b.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "a", "later")

	dir := filepath.Join(t.TempDir(), "restored")
	if err := store.Restore(bytes.NewReader(backup.Bytes()), dir); err != nil {
		t.Fatal(err)
	}
	if r, err := store.Verify(dir); err != nil || len(r.Findings) > 0 || r.Publications != 2+30 {
		t.Errorf("%+v, %v", r, err)
	}
	var log lines
	o = in(dir, kept(10, maru.Interval))
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	restored := open(t, o)
	if log.String() != "" {
		t.Errorf("the log: %s", log.String())
	}
	h := history(t, restored, "a", first.Position)
	if texts(h) != "x y" || h.Gap == nil || h.Gap.Reason != maru.GapEpoch || h.Head != last.Offset || h.Publications[1].Event != "price" {
		t.Errorf("%s", show(h))
	}
	if again := publish(t, restored, "a", "x", keyed); !again.Replayed || again.Offset != first.Offset {
		t.Errorf("%+v", again)
	}
	if next := publish(t, restored, "a", "z"); next.Offset <= last.Offset || next.Epoch == last.Epoch {
		t.Errorf("%v follows %v", next, last)
	}
	n := 0
	restored.Kept(t.Context(), "revoked", func(key string, value []byte, _ time.Time) bool {
		n++
		return key == "kim" && string(value) == "why"
	})
	if n != 1 {
		t.Errorf("%d records", n)
	}
}

// A backup that is cut or changed is not restored, and leaves nothing; neither does one into a
// directory that has something in it.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	b := open(t, in(t.TempDir(), kept(10, maru.Interval)))
	publish(t, b, "a", "x")
	var backup bytes.Buffer
	if err := b.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	whole := backup.Bytes()
	changed := bytes.Clone(whole)
	changed[len(changed)/2] ^= 1
	for name, content := range map[string][]byte{
		"empty": nil, "cut": whole[:len(whole)-1], "half": whole[:len(whole)/2], "changed": changed, "longer": append(bytes.Clone(whole), 0),
	} {
		dir := t.TempDir()
		if err := store.Restore(bytes.NewReader(content), dir); err == nil {
			t.Errorf("%s: restored", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600)
	if err := store.Restore(bytes.NewReader(whole), dir); err == nil {
		t.Error("restored into a directory that is not empty")
	}
	if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
		t.Error(err)
	}
}

// A backup ends with its reader, with its context and with the broker.
func TestBackupEnds(t *testing.T) {
	t.Parallel()
	b := open(t, in(t.TempDir(), kept(10, maru.Interval)))
	publish(t, b, "a", "x")
	broken := errors.New("broken")
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if err := b.Backup(t.Context(), w); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	b.Close()
	if err := b.Backup(context.Background(), io.Discard); maru.ErrorOf(err).Code != maru.CodeShuttingDown {
		t.Errorf("%v", err)
	}
}

// Issue 14, 9: a copied directory begins new epochs. Issue 14, 1: Verify says what is wrong and
// changes nothing.
func TestVerify(t *testing.T) {
	t.Parallel()
	o := in(t.TempDir(), kept(10, maru.Interval))
	b := open(t, o)
	at := publish(t, b, "a", "x")
	if _, err := store.Verify(o.Dir); err == nil {
		t.Error("a directory in use was read")
	}
	b.Close()
	if r, err := store.Verify(o.Dir); err != nil || len(r.Findings) > 0 || r.Publications != 1 || r.Namespaces != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r, err := store.Verify(copied); err != nil || len(r.Findings) != 1 || !r.Findings[0].NewEpoch {
			t.Errorf("a copy: %+v, %v", r, err)
		}
	}
	b = open(t, in(copied, kept(10, maru.Interval)))
	if h := history(t, b, "a", at.Position); h.Epoch == at.Epoch || texts(h) != "x" {
		t.Errorf("a copy: %s", show(h))
	}
	if _, err := store.Verify(t.TempDir()); err == nil {
		t.Error("an empty directory was verified")
	}
}
