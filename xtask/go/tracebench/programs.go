package main

import (
	"context"
	"fmt"
	"os"
	"runtime/trace"
	"sync"
)

// The programs of examples/*.weft and bench/programs/*.weft of the same names, as
// one would write them in Go.
var programs = map[string]func(size int) int{
	"pingpong": pingpong,
	"spawn":    spawn,
	"sieve":    sieve,
	"skynet":   func(size int) int { return skynet(0, size) },
	"fib":      fib,
	"mixed":    mixture,
}

func program(name string, size int, file []string) {
	run, ok := programs[name]
	if !ok {
		fail("there is no program " + name)
	}
	if len(file) == 0 {
		fmt.Println(run(size))
		return
	}
	out, err := os.Create(file[0])
	if err == nil {
		err = trace.Start(out)
	}
	if err != nil {
		fail(err.Error())
	}
	fmt.Println(run(size))
	trace.Stop()
	if err := out.Close(); err != nil {
		fail(err.Error())
	}
}

func pingpong(rounds int) int {
	there, back := make(chan int), make(chan int)
	go func() {
		for ball := range there {
			back <- ball + 1
		}
		close(back)
	}()
	ball := 0
	for range rounds {
		there <- ball + 1
		ball = <-back
	}
	close(there)
	return ball
}

// spawn starts goroutines, a hundred at a time, and waits for them.
func spawn(count int) int {
	sum := 0
	results := make(chan int, 100)
	for done := 0; done < count; done += 100 {
		for at := range 100 {
			go func() { results <- at }()
		}
		for range 100 {
			sum += <-results
		}
	}
	return sum
}

// sieve finds so many primes, each of which has a goroutine that lets through
// what it does not divide. The program's end ends them.
func sieve(primes int) int {
	numbers := make(chan int)
	go func(to chan int) {
		for number := 2; ; number++ {
			to <- number
		}
	}(numbers)
	prime := 0
	for range primes {
		prime = <-numbers
		next := make(chan int)
		go func(prime int, from, to chan int) {
			for number := range from {
				if number%prime != 0 {
					to <- number
				}
			}
		}(prime, numbers, next)
		numbers = next
	}
	return prime
}

func skynet(from, to int) int {
	size := to - from
	if size == 1 {
		return from
	}
	sums := make(chan int, 10)
	children := 0
	for at := range 10 {
		low, high := from+size*at/10, from+size*(at+1)/10
		if low < high {
			children++
			go func() { sums <- skynet(low, high) }()
		}
	}
	sum := 0
	for range children {
		sum += <-sums
	}
	return sum
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// mixture has jobs that compute for a while, in regions, and hand their results
// over.
func mixture(jobs int) int {
	ctx := context.Background()
	work, results := make(chan int, 4), make(chan int, 4)
	var workers sync.WaitGroup
	for range 4 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for job := range work {
				trace.WithRegion(ctx, "job", func() {
					results <- fib(10 + job%6)
				})
			}
		}()
	}
	go func() {
		for job := range jobs {
			work <- job
		}
		close(work)
		workers.Wait()
		close(results)
	}()
	sum := 0
	for result := range results {
		sum += result
	}
	return sum
}
