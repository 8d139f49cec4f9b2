//go:build !unix

package server

// maxConnections is 0, no limit: open files are not limited by number here.
func maxConnections() int { return 0 }
