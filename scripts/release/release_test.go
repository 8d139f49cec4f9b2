package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// The archive for this system holds a program that runs, its checksum is right, and
// building it again gives the same bytes.
func TestRelease(t *testing.T) {
	program.OnlyInOwnStep(t)
	system := runtime.GOOS + "/" + runtime.GOARCH
	if !slices.Contains(systems, system) {
		t.Skipf("maru is not released for %s", system)
	}
	t.Chdir("../..")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	// The version is read from a checkout that belongs to somebody else, too.
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "safe.directory")
	t.Setenv("GIT_CONFIG_VALUE_0", "*")
	dist := filepath.Join(t.TempDir(), "dist")
	if err := release(dist, []string{system}); err != nil {
		t.Fatal(err)
	}
	sums := read(t, dist, "SHA256SUMS")
	sum, name, _ := strings.Cut(strings.TrimSpace(string(sums)), "  ")
	archive := read(t, dist, name)
	if digest := sha256.Sum256(archive); hex.EncodeToString(digest[:]) != sum {
		t.Errorf("the checksum of %s is %x, SHA256SUMS has %s", name, digest, sum)
	}
	entries, err := os.ReadDir(dist)
	if err != nil || len(entries) != 2 {
		t.Errorf("dist has %v, %v; want an archive and SHA256SUMS", entries, err)
	}

	base := strings.TrimSuffix(strings.TrimSuffix(name, ".tar.gz"), ".zip")
	executable := "maru"
	if runtime.GOOS == "windows" {
		executable = "maru.exe"
	}
	files := unpack(t, name, archive)
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimPrefix(f.name, base+"/"))
	}
	if want := []string{"CHANGELOG.md", "LICENSE", "README.md", executable}; !slices.Equal(names, want) {
		t.Fatalf("%s has %v, want %v", name, names, want)
	}
	program := filepath.Join(t.TempDir(), executable)
	if err := os.WriteFile(program, files[3].data, files[3].mode); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	version := strings.Trim(strings.Fields(string(out))[1], "()")
	if want := "maru_" + version + "_" + runtime.GOOS + "_" + runtime.GOARCH; base != want {
		t.Errorf("it is called %s, want %s", base, want)
	}

	again := filepath.Join(t.TempDir(), "dist")
	if err := release(again, []string{system}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, again, "SHA256SUMS"), sums) {
		t.Error("built again it has another checksum")
	}
}

func TestOtherSystem(t *testing.T) {
	t.Parallel()
	if err := release(filepath.Join(t.TempDir(), "dist"), []string{"plan9/mips"}); err == nil {
		t.Error("an archive was built for plan9/mips")
	}
}

// Both kinds of archive hold the same files, whenever they are made.
func TestArchives(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 0).UTC()
	files := []file{{"maru_1/README.md", 0o644, []byte("read")}, {"maru_1/maru", 0o755, []byte("run")}}
	for name, pack := range map[string]func([]file, time.Time) ([]byte, error){"a.tar.gz": tarred, "a.zip": zipped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := pack(files, at)
			if err != nil {
				t.Fatal(err)
			}
			got := unpack(t, name, b)
			if !slices.EqualFunc(got, files, func(a, b file) bool {
				return a.name == b.name && a.mode == b.mode && bytes.Equal(a.data, b.data)
			}) {
				t.Errorf("%v, want %v", got, files)
			}
		})
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unpack(t *testing.T, name string, archive []byte) (files []file) {
	t.Helper()
	if strings.HasSuffix(name, ".zip") {
		r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.File {
			entry, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file{f.Name, f.Mode(), all(t, entry)})
		}
		return files
	}
	compressed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(compressed)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{header.Name, header.FileInfo().Mode(), all(t, r)})
	}
}

func all(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
