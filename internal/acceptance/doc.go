// Package acceptance has the tests of a whole Dispatcher, from outside: with a store in memory,
// a fake network or hostile receivers, and often a fake clock. They share one harness. The
// tests named repository_*_test.go check the repository itself: its documents, its imports and
// the names that it exports. The tests of single files stand beside them in the root.
package acceptance
