package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Files are a certificate chain and its private key, in PEM.
type Files struct{ Cert, Key string }

// maxFileBytes bounds a file. The certificates of all public authorities take a quarter of it.
const maxFileBytes = 1 << 20

// Error is a file that cannot be used.
type Error struct {
	What string // the options with their files
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: cannot be loaded: %v", e.What, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// source is something that is read from files that belong together. It is guarded by the lock of
// its Store.
type source struct {
	what  string // for errors and the log
	files []string
	read  func(contents [][]byte) (changed bool, err error)

	seen  []fs.FileInfo // of files, when they were last read; nil for one that was not there
	fails int           // looks in a row that failed
}

// load reads the files. seen is of the time before, so that a later change is noticed.
//
// At the start a pipe is as good as a file. Later it could have no end, and would keep Watch and
// Reload for ever.
func (s *source) load() (changed bool, err error) {
	again := s.seen != nil
	s.seen = s.look()
	contents := make([][]byte, len(s.files))
	for i, file := range s.files {
		if now := s.seen[i]; again && now != nil && !now.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file (%v), so it is not read again", file, now.Mode())
		} else {
			contents[i], err = readFile(file)
		}
		if err != nil {
			return false, &Error{s.what, err}
		}
	}
	if changed, err = s.read(contents); err != nil {
		return false, &Error{s.what, err}
	}
	return changed, nil
}

func (s *source) look() []fs.FileInfo {
	now := make([]fs.FileInfo, len(s.files))
	for i, file := range s.files {
		now[i], _ = os.Stat(file) // a file that is not there is nil
	}
	return now
}

// replaced reports whether a file is another one than before, or was written again.
func (s *source) replaced() bool {
	for i, now := range s.look() {
		was := s.seen[i]
		if (now == nil) != (was == nil) {
			return true
		}
		if now != nil && !now.Mode().IsRegular() && was.Mode() == now.Mode() {
			continue // reading a pipe changes its time
		}
		if now != nil && (!os.SameFile(was, now) || !was.ModTime().Equal(now.ModTime()) || was.Size() != now.Size()) {
			return true
		}
	}
	return false
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(content) > maxFileBytes {
		err = fmt.Errorf("%s is too large for a file with certificates (at most 1 MiB)", path)
	}
	return content, err
}

// pairOf is a certificate with its key.
func pairOf(cert, key []byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	return &pair, err
}

var errNoAuthority = errors.New("it has no certificate in PEM")
