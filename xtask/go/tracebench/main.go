// Tracebench answers to the same lines as the Rust program in the folder bench,
// for Go's tracer: see there. Its cases are those whose third word is "go".
//
//	tracebench serve
//	tracebench count OPERATIONS CASE...
//	tracebench program NAME SIZE [FILE]  runs a program, traced if there is a file
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A benchCase does about so many operations, and gives how many it did and how
// long they took.
type benchCase interface {
	run(operations int) (int, time.Duration)
}

// A sized case knows how many bytes an entry takes beyond its key.
type sized interface {
	bytesPerEntry() float64
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) > 3 && os.Args[1] == "count":
		operations := number(os.Args[2])
		ran, time := open(os.Args[3:]).run(operations)
		fmt.Println("ran", ran, time.Nanoseconds())
		os.Exit(0) // Whatever else there is to do would be counted.
	case len(os.Args) > 3 && os.Args[1] == "program":
		program(os.Args[2], number(os.Args[3]), os.Args[4:])
	default:
		fail("usage: tracebench serve | count OPERATIONS CASE | program NAME SIZE [FILE]")
	}
}

func serve() {
	cases := map[string]benchCase{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) > 1 && words[0] == "open":
			opened := open(words[1:])
			id := strconv.Itoa(len(cases) + 1)
			cases[id] = opened
			if sized, ok := opened.(sized); ok {
				fmt.Printf("opened %s %.1f\n", id, sized.bytesPerEntry())
			} else {
				fmt.Println("opened", id)
			}
		case len(words) == 3 && words[0] == "run" && cases[words[1]] != nil:
			ran, time := cases[words[1]].run(number(words[2]))
			fmt.Println("ran", ran, time.Nanoseconds())
		case len(words) == 2 && words[0] == "close":
			if closer, ok := cases[words[1]].(interface{ close() }); ok {
				closer.close()
			}
			cases[words[1]] = nil
			runtime.GC()
			fmt.Println("closed")
		default:
			fail("this is no request: " + lines.Text())
		}
	}
}

// open prepares a case.
func open(words []string) benchCase {
	settings := map[string]string{}
	for _, word := range words {
		if name, value, ok := strings.Cut(word, "="); ok {
			settings[name] = value
		}
	}
	if len(words) < 3 || words[2] != "go" {
		fail("there is no case " + strings.Join(words, " "))
	}
	switch words[0] {
	case "map":
		return openMap(words[1], settings)
	case "region":
		return openRegion(words[1], settings)
	case "emit":
		return openEmit(words[1])
	}
	fail("there is no case " + strings.Join(words, " "))
	return nil
}

// timedHere runs work and gives the time that it took. Instructions are counted
// within the function of this name.
//
//go:noinline
func timedHere(work func()) time.Duration {
	start := time.Now()
	work()
	return time.Since(start)
}

// timed runs work with the numbers below threads, at once, and gives the time
// from the first one's start to the last one's end.
func timed(threads int, work func(thread int)) time.Duration {
	if threads == 1 {
		return timedHere(func() { work(0) })
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(threads, runtime.NumCPU())))
	var ready, done sync.WaitGroup
	ready.Add(threads)
	starts, ends := make([]time.Time, threads), make([]time.Time, threads)
	for thread := range threads {
		done.Add(1)
		go func() {
			defer done.Done()
			// As on the other side, where each is a thread of the system.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			ready.Done()
			ready.Wait()
			starts[thread] = time.Now()
			work(thread)
			ends[thread] = time.Now()
		}()
	}
	done.Wait()
	start, end := starts[0], ends[0]
	for thread := range threads {
		if starts[thread].Before(start) {
			start = starts[thread]
		}
		if ends[thread].After(end) {
			end = ends[thread]
		}
	}
	return end.Sub(start)
}

func number(text string) int {
	number, err := strconv.Atoi(text)
	if err != nil {
		fail("this is no number: " + text)
	}
	return number
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "tracebench:", message)
	os.Exit(1)
}
