// Package bad tests bad conditions of a whole process: too few files, too many clients, a full
// disk, a stopped process. It runs maru serve as an operator does, and checks its log, files,
// memory and CPU time from outside. Bad conditions of single connections are in the tests of
// internal/loop and internal/front:
//
//	out of file descriptors               tests/bad TestOutOfFiles, TestOneFileLeft, TestAsManyAsFilesAllow
//	out of file descriptors               internal/loop TestOutOfFiles
//	the same with TLS                     internal/front TestListenerOutOfFiles
//	a full disk                           tests/bad TestDiskFull
//	a memory ceiling                      tests/bad TestMemoryCeiling
//	10,000 connects at once               tests/bad TestRush
//	a process that was stopped            tests/bad TestStopped
//	no io_uring                           tests/bad TestNoRing
//	a wall clock that jumps               tests/bad TestWallClockJumps
//	a clock that jumps, a loop held up    internal/loop TestStall
//	a byte a second                       internal/loop TestByteASecond
//	a byte a time, in both directions     internal/loop TestBadConditions
//	a peer that reads nothing             internal/loop TestBadConditions, TestBacklogAge
//	half-closed, at every stage           internal/loop TestBadConditions
//	RST, in the middle of a frame too     internal/loop TestBadConditions
//	a handshake split at every byte       internal/front TestSplitReads, TestSplit, TestByteByByte
//	a handshake that never ends           internal/front TestHeaderBlockThatNeverEnds, TestStalledHandshakes
//	a peer that sends without end         internal/loop TestBusyPeer
//	nothing left after each               internal/loop TestBadConditions, TestNothingIsLeft
//
// Descriptors, goroutines and slots are counted after each condition of TestBadConditions
// and each ending of TestNothingIsLeft, and slots, bytes and subscriptions after every other
// test of that package; here the open files and
// goroutines of the process are counted when all clients have left.
package bad
