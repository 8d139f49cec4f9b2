// Package certs keeps the certificates of a server in files: it chooses one for each connection,
// takes replaced files without a restart, and warns before one expires.
//
//	store, err := certs.Open(certs.Options{Pairs: []certs.Files{{Cert: "tls.crt", Key: "tls.key"}}, Log: log})
//	config := store.Config()       // for the TLS server
//	go store.Watch(stop)           // until stop is closed
//	store.Reload()                 // at SIGHUP
//
// Watch looks at the files once a second. Notifications by the system would need a library, and are
// lost where certificates are replaced most often: on network file systems, and where a directory
// of a Kubernetes Secret is swapped by a symbolic link. A look is one stat for each file.
//
// A pair that cannot be used keeps the previous one in use. It is reported when two looks have
// failed, because the two files of a pair are replaced one after the other.
//
// Everything is safe for concurrent use. The lock of a Store is held while files are read, never by
// a handshake.
package certs
