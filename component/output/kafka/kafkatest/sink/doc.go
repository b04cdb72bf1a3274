// Package sink is a Kafka broker that takes messages and keeps none: it answers the four
// requests that a producer makes and hands each event on. The demo uses it.
//
// # Invariants
//
//   - Each message is handed on before its batch is acknowledged.
//   - It takes what is not compressed, plain, from producers of our own alone.
//
// # Why not kfake
//
// kfake links every request that Kafka knows: 2.3 MB in a program that should stay below
// 28. Tests use kfake, and a real broker.
package sink
