package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

var systems = []string{
	"linux/amd64", "linux/arm64",
	"darwin/amd64", "darwin/arm64",
	"windows/amd64", "windows/arm64",
}

// beside the program is in each archive.
var beside = []string{"CHANGELOG.md", "LICENSE", "README.md"}

func main() {
	chosen := systems
	if len(os.Args) > 1 {
		chosen = os.Args[1:]
	}
	if err := release("dist", chosen); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release replaces the directory dist by one with the archives for some systems.
func release(dist string, chosen []string) error {
	at, err := date()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o777); err != nil {
		return err
	}
	var sums strings.Builder
	for _, system := range slices.Sorted(slices.Values(chosen)) {
		if !slices.Contains(systems, system) {
			return fmt.Errorf("%q is not a system that maru is released for; those are %s", system, strings.Join(systems, " "))
		}
		name, archive, err := archive(system, at)
		if err != nil {
			return fmt.Errorf("%s: %w", system, err)
		}
		if err := os.WriteFile(filepath.Join(dist, name), archive, 0o666); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(archive), name)
		fmt.Println(filepath.Join(dist, name))
	}
	return os.WriteFile(filepath.Join(dist, "SHA256SUMS"), []byte(sums.String()), 0o666)
}

// date is the time of everything in the archives.
func date() (time.Time, error) {
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, which is no number of seconds", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// A file of an archive.
type file struct {
	name string
	mode os.FileMode
	data []byte
}

// archive builds the program for a system and packs it, as a zip file for Windows.
func archive(system string, at time.Time) (name string, packed []byte, err error) {
	goos, goarch, _ := strings.Cut(system, "/")
	program, version, err := build(goos, goarch)
	if err != nil {
		return "", nil, err
	}
	name = strings.Join([]string{"maru", version, goos, goarch}, "_")
	executable := "maru"
	if goos == "windows" {
		executable = "maru.exe"
	}
	files := []file{{name + "/" + executable, 0o755, program}}
	for _, text := range beside {
		data, err := os.ReadFile(text)
		if err != nil {
			return "", nil, err
		}
		files = append(files, file{name + "/" + text, 0o644, data})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	if goos == "windows" {
		packed, err = zipped(files, at)
		return name + ".zip", packed, err
	}
	packed, err = tarred(files, at)
	return name + ".tar.gz", packed, err
}

// build returns the program and its version, as the program itself reports it.
func build(goos, goarch string) (program []byte, version string, err error) {
	dir, err := os.MkdirTemp("", "release")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "maru")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=auto", "-ldflags=-s -w", "-o", path, "./cmd/maru")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	program, err = os.ReadFile(path)
	return program, cmp.Or(strings.Trim(info.Main.Version, "()"), "devel"), err
}

func tarred(files []file, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func zipped(files []file, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		header.SetMode(f.mode)
		entry, err := w.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
