package api_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

// Issue 14 §10: while memory is short nobody begins to read a history, and publishing goes on.
func TestHistoryWhileMemoryIsShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.admission.Registry.Refuse(true)
	for _, target := range []string{"/channels/a", "/channels/a?wait=1s"} {
		if answer := w.request("GET", target, ""); answer.Code != 503 || code(answer) != maru.CodeOverloaded || answer.Header().Get("Retry-After") == "" {
			t.Errorf("GET %s: %d %s", target, answer.Code, answer.Body)
		}
	}
	if answer := w.request("POST", "/channels/a", "x"); answer.Code != 200 {
		t.Errorf("POST: %d %s", answer.Code, answer.Body)
	}
	w.admission.Registry.Refuse(false)
	if answer := w.request("GET", "/channels/a", ""); answer.Code != 200 {
		t.Errorf("GET afterwards: %d %s", answer.Code, answer.Body)
	}
}

// Large bodies that are coming are counted while they come, as shares; small ones are free.
func TestBodiesThatAreComing(t *testing.T) {
	t.Parallel()
	const step = 64 << 10
	w := newWorld(t, 0)
	w.api.MaxBodyBytes = 1 << 20
	w.api.Env.Bodies = shares.New(8*step, "bytes", nil)
	post := func(bytes int, end io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/channels/a", io.MultiReader(io.LimitReader(letters{}, int64(bytes)), end))
		answer := httptest.NewRecorder()
		w.api.ServeHTTP(answer, r)
		return answer
	}
	for bytes, want := range map[int]int{step: 200, step + 1: 200, 9 * step: 200, 9*step + 1: 503, 12 * step: 503} {
		if answer := post(bytes, eof{}); answer.Code != want || want == 503 && code(answer) != maru.CodeOverloaded {
			t.Errorf("a body of %d bytes: %d %s, want %d", bytes, answer.Code, answer.Body, want)
		}
	}
	if answer := post(5*step, breaksOff{}); code(answer) != maru.CodeBadRequest {
		t.Errorf("a body that breaks off: %s", answer.Body)
	}
	if held := w.api.Env.Bodies.Held(); held != 0 {
		t.Errorf("%d bytes are counted after the last request", held)
	}

	other := eofAfter(func() { // while one body is coming
		if answer := post(6*step, eof{}); code(answer) != maru.CodeOverloaded {
			t.Errorf("with all taken: %d %s", answer.Code, answer.Body)
		}
		if answer := post(step, eof{}); answer.Code != 200 {
			t.Errorf("a small body: %d %s", answer.Code, answer.Body)
		}
	})
	if answer := post(6*step, other); answer.Code != 200 {
		t.Errorf("the first: %d %s", answer.Code, answer.Body)
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

type breaksOff struct{}

func (breaksOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type eofAfter func()

func (f eofAfter) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}
