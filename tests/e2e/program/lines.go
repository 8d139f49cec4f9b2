package program

import (
	"bufio"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for anything before it fails. It is long, because a browser
// starts slowly on a machine that does much else.
const Patience = time.Minute

// Lines are the output of a program, line by line. They are kept, so that a program whose
// output is not read does not block.
type Lines struct {
	mu    sync.Mutex
	all   []string
	next  int // the first that was not read
	ended bool
	more  chan struct{} // something above has changed
}

func newLines() *Lines { return &Lines{more: make(chan struct{}, 1)} }

// fill reads everything from r, on a goroutine of its own.
func (l *Lines) fill(r io.Reader) {
	reader := bufio.NewReader(r)
	for {
		line, err := reader.ReadString('\n')
		l.mu.Lock()
		if line != "" {
			l.all = append(l.all, strings.TrimRight(line, "\r\n"))
		}
		l.ended = err != nil
		l.mu.Unlock()
		select {
		case l.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Next waits for the next line and returns it. The test fails if none arrives.
func (l *Lines) Next(t testing.TB) string {
	t.Helper()
	late := time.After(Patience)
	for {
		line, ok, ended := l.take()
		switch {
		case ok:
			return line
		case ended:
			t.Fatal("the program says nothing more")
		}
		select {
		case <-l.more:
		case <-late:
			t.Fatalf("nothing was said in %v", Patience)
		}
	}
}

func (l *Lines) take() (line string, ok, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == len(l.all) {
		return "", false, l.ended
	}
	l.next++
	return l.all[l.next-1], true, false
}

// Await reads until a line that contains the text, and returns that line.
func (l *Lines) Await(t testing.TB, text string) string {
	t.Helper()
	for {
		if line := l.Next(t); strings.Contains(line, text) {
			return line
		}
	}
}

// String returns the whole output so far.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}
