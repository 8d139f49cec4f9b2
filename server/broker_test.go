package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/server"
)

// History on disk survives a restart, according to the namespaces' durability.
func TestData(t *testing.T) {
	t.Parallel()
	o := server.Options{Open: true, Data: t.TempDir()}
	o.Namespaces = map[string]server.Namespace{
		"disk":   {},
		"synced": {Retention: maru.Retention{Durability: maru.Sync}},
		"gone":   {Retention: maru.Retention{Durability: maru.InMemory}},
	}
	start := func() *server.Server {
		s, err := server.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := start()
	first := make(map[string]maru.Position)
	for ns := range o.Namespaces {
		at, err := s.Publish(t.Context(), ns+":x", &maru.Publication{Data: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		first[ns] = at
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	s = start()
	defer s.Shutdown(context.Background())
	for ns, before := range first {
		at, err := s.Publish(t.Context(), ns+":x", &maru.Publication{Data: []byte("y")})
		if err != nil {
			t.Fatal(err)
		}
		if survived := at.Epoch == before.Epoch && at.Offset > before.Offset; survived != (ns != "gone") {
			t.Errorf("%s: %v after %v", ns, at, before)
		}
	}
}

func TestBadData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := server.New(server.Options{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	_, err = server.New(server.Options{Data: dir})
	if unusable := new(server.DataError); !errors.As(err, &unusable) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the directory of another server: %v", err)
	}

	o := server.Options{}
	o.Namespaces = map[string]server.Namespace{"a": {Retention: maru.Retention{Durability: maru.Sync}}}
	if _, err := server.New(o); err == nil || !strings.Contains(err.Error(), "Options.Data") {
		t.Errorf("sync without a directory: %v", err)
	}
}
