// Package waiting has what connections made here are of: bytes and items that
// wait to be taken, and the deadlines of those who wait for them.
package waiting
