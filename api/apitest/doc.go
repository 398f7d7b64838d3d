// Package apitest has ready-made values for the tests of applications: readers
// with a given content, for mocks to return, and writers that record what a
// handler puts into them. Nothing in it does any I/O or starts a goroutine, so
// it works within a testing/synctest bubble.
package apitest
