// Package walk tests relays, publishers and viewers together, in worlds in
// which much changes. It contains only tests.
//
// A world is made from a seed: relays in chains and with two parents,
// publishers that leave, crash and come back, hot standbys, viewers of many
// kinds, and links that break. It runs in memory in a testing/synctest bubble,
// so that minutes take milliseconds. An oracle knows every frame that can have
// been written. It checks what each viewer gets: that all of it is true, that
// each loss is reported, and that no viewer gets nothing for long.
//
// A world that fails is printed as a script of events. The same seed makes the
// same script again; the scheduler, and the random waits of the module, may
// make it run otherwise:
//
//	go test ./impl/walk -walk.seed 4711 -walk.worlds 1 -v
//	go test ./impl/walk -walk.seed 4711 -walk.worlds 1 -walk.reduce
//
// The second line also looks for the smallest part of the script that still
// fails in the same way. -walk.keep 0,3,4 runs only these events of it.
package walk
