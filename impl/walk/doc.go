// Package walk proves relays, publishers and viewers together in worlds that
// move. It has tests alone.
//
// A world is made from a seed: relays in chains and with two parents,
// publishers that leave, crash and come back, hot standbys, viewers of many
// kinds, and links that break. It runs in memory in a testing/synctest bubble,
// so that minutes take milliseconds. An oracle knows every frame that can have
// been written, and checks what each viewer is told: that all of it is true,
// that nothing is missing without a word, and that nobody stays in the dark.
//
// A world that fails is printed as a script of events. The same seed makes the
// same script again; what the scheduler does with it may differ, as may the
// random waits of the module itself:
//
//	go test ./impl/walk -walk.seed 4711 -walk.worlds 1 -v
//	go test ./impl/walk -walk.seed 4711 -walk.worlds 1 -walk.reduce
//
// The second line also looks for the smallest part of the script that still
// fails in the same way. -walk.keep 0,3,4 runs only these events of it.
package walk
