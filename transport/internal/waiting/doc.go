// Package waiting has what connections made here are of: bytes and items that
// wait to be taken, those who wait for their turn, and deadlines.
package waiting
