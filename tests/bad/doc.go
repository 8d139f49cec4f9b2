// Package bad is about bad conditions that befall a whole process: too few files,
// too many visitors, a full disk, standing still. maru serve meets them as it would with an
// operator, and its log, its files, its memory and its CPU time are looked at from
// outside. What befalls single connections is in the tests of internal/loop.
package bad
