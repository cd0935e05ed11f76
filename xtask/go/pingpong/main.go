// Pingpong records a trace of two goroutines that throw a number back and forth.
//
//	pingpong FILE ROUNDS
package main

import (
	"log"
	"os"
	"runtime/trace"
	"strconv"
)

func main() {
	rounds, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	f, err := os.Create(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := trace.Start(f); err != nil {
		log.Fatal(err)
	}
	play(rounds)
	trace.Stop()
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}

func play(rounds int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for ball := range there {
			back <- ball + 1
		}
	}()
	ball := 0
	for range rounds {
		there <- ball + 1
		ball = <-back
	}
	close(there)
}
