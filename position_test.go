package maru_test

import (
	"errors"
	"strings"
	"testing"

	"maru.example/maru"
)

func TestParsePosition(t *testing.T) {
	t.Parallel()
	good := map[string]maru.Position{
		"0":                            {Offset: 0},
		"812":                          {Offset: 812},
		"k3f9:812":                     {Epoch: "k3f9", Offset: 812},
		"k3f9:0":                       {Epoch: "k3f9"},
		"k3f9:00812":                   {Epoch: "k3f9", Offset: 812},
		"A:18446744073709551615":       {Epoch: "A", Offset: 1<<64 - 1},
		strings.Repeat("e", 64) + ":1": {Epoch: strings.Repeat("e", 64), Offset: 1},
	}
	for s, want := range good {
		if got, err := maru.ParsePosition(s); err != nil || got != want {
			t.Errorf("ParsePosition(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", ":", "k3f9", "k3f9:", ":812", "k3f9:x", "k3f9:-1", "k3f9:+1", "-1", "+1", " 1", "1 ", "0x10", "1.5",
		"18446744073709551616", "k3f9:18446744073709551616", "k 9:1", "가:1", "a:b:1", "k3f9:812\n", strings.Repeat("e", 65) + ":1", "k_:1",
	} {
		if got, err := maru.ParsePosition(s); !errors.Is(err, &maru.Error{Code: maru.CodeBadPosition}) {
			t.Errorf("ParsePosition(%q) = %v, %v; want bad_position", s, got, err)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"0", "k3f9:812", ":", "k3f9:", "18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := maru.ParsePosition(s)
		if err != nil || p.Epoch == "" {
			return
		}
		again, err := maru.ParsePosition(p.String())
		if err != nil || again != p {
			t.Fatalf("ParsePosition(%q) = %v, which is parsed as %v, %v", s, p, again, err)
		}
	})
}
