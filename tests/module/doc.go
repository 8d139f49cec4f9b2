// Package module has no code. Its tests use the module as its users do: they give it
// another path, import it from a module outside the repository with the words of README,
// and fetch it through a module proxy.
//
// The part of README that they carry out stands between the comments
//
//	<!-- test: import -->
//	<!-- end -->
//
// Its block "go" is the file main.go of an empty directory outside the checkout, and its
// block "sh" runs there, with /path/to/maru for where the checkout is. What it prints at the end
// stands there too: prints `it rains`.
package module
