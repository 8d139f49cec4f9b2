package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const diskBytes = 128 << 20

// Issue 14, 6: on a full disk publications are refused within a second, histories are served,
// also after a start, and everything goes on when there is room again. Nothing that was
// acknowledged is lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := mount(t)
	defer again(t, fmt.Sprintf("-fills %d", *fills), *seed)
	chance := rand.New(rand.NewPCG(*seed, 6))
	s := begin(t, filepath.Join(disk, "data"), 8, "storage_full")
	var mended time.Duration
	kills := 0
	for range *fills {
		s.goesOn(50 + chance.IntN(200))
		empty := fill(s.ctx, t, filepath.Join(disk, "filler"))
		s.refused(http.StatusInsufficientStorage, "storage_full")
		s.quiet[chance.IntN(len(s.quiet))].read(s.scene, s.pick(chance))
		if chance.IntN(3) == 0 {
			kills++
			s.server.Kill(t)
			s.serve()
			s.refused(http.StatusInsufficientStorage, "storage_full")
			s.quiet[chance.IntN(len(s.quiet))].read(s.scene, s.pick(chance))
		}
		pause(s.ctx, time.Duration(chance.IntN(1500))*time.Millisecond)
		empty()
		mended = max(mended, s.accepts())
	}
	s.end()
	if s.truth.longest > promised+slack {
		t.Errorf("a publisher waited %v for its answer, want at most %v", s.truth.longest, promised)
	}
	state(t, "the disk was full %d times, with %d kills; an answer took at most %v, and mending %v; %s",
		*fills, kills, s.truth.longest.Round(time.Millisecond), mended.Round(time.Millisecond), s.figures())
}

// mount makes a small file system of its own.
func mount(t *testing.T) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes)); err != nil {
		t.Skipf("a small file system cannot be mounted, which takes the rights of root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the room on a disk, also what others free, until empty is called. It returns
// when the disk is full for the first time.
func fill(ctx context.Context, t *testing.T, path string) (empty func()) {
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(ctx)
	full, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		block := bytes.Repeat([]byte("full "), 1<<13)
		for first := true; ctx.Err() == nil; {
			_, err := file.Write(block)
			switch {
			case err == nil:
				continue
			case !errors.Is(err, syscall.ENOSPC):
				t.Error(err)
				return
			case first:
				close(full)
				first = false
			}
			pause(ctx, time.Millisecond)
		}
	}()
	select {
	case <-full:
	case <-ended:
	}
	return func() {
		stop()
		<-ended
		file.Close()
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
