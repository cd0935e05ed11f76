package main

import (
	"bytes"
	"iter"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

// timers sleeps, ticks and is called back.
func timers(start func()) {
	start()
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			for range 5 {
				time.Sleep(time.Duration(n) * 100 * time.Microsecond)
			}
		})
	}
	all.Add(1)
	time.AfterFunc(3*time.Millisecond, all.Done)
	ticker := time.NewTicker(time.Millisecond)
	for range 10 {
		<-ticker.C
	}
	ticker.Stop()
	all.Wait()
}

// coroutines switches between tasks without the scheduler.
func coroutines(start func()) {
	count := func(yield func(int) bool) {
		for n := 0; yield(n); n++ {
		}
	}
	early, stopEarly := iter.Pull(count)
	early()
	start()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			next, stop := iter.Pull(count)
			for range 200 {
				next()
			}
			runtime.Gosched()
			stop()
			_, stop = iter.Pull(count)
			stop() // never ran
		})
	}
	all.Wait()
	early()
	stopEarly()
	_, stop := iter.Pull(count) // lives on
	_ = stop
}

// crowd has many tasks at a time.
func crowd(start func()) {
	start()
	var all sync.WaitGroup
	gate := make(chan struct{})
	for range 10_000 {
		all.Go(func() { <-gate })
	}
	close(gate)
	all.Wait()
}

// endings ends tasks in all the ways there are.
func endings(start func()) {
	start()
	var all sync.WaitGroup
	for n := range 30 {
		all.Add(1)
		go func() {
			defer all.Done()
			defer func() { _ = recover() }()
			switch n % 3 {
			case 0:
				panic("recovered")
			case 1:
				runtime.Goexit()
			}
		}()
	}
	all.Wait()
	// A thread that ends with its task.
	all.Add(1)
	go func() {
		defer all.Done()
		runtime.LockOSThread()
	}()
	all.Wait()
	time.Sleep(time.Millisecond)
}

// spin computes for a while without a call.
func spin(n int) (sum int) {
	for i := range n {
		sum += i ^ n
	}
	return sum
}

// preemption has more tasks that compute than procs, one bound to its thread.
func preemption(start func()) {
	start()
	var all sync.WaitGroup
	var total atomic.Int64
	for n := range 2 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			if n == 0 {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			for range 3 {
				total.Add(int64(spin(20_000_000)))
				runtime.Gosched()
			}
		})
	}
	all.Wait()
}

// procs changes how many procs there are while tasks run.
func procs(start func()) {
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	start()
	var stop atomic.Bool
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for !stop.Load() {
				spin(10_000)
				runtime.Gosched()
			}
		})
	}
	for _, n := range []int{1, 3, 2, 8, 1, 4} {
		runtime.GOMAXPROCS(n)
		time.Sleep(2 * time.Millisecond)
	}
	stop.Store(true)
	all.Wait()
}

// samples has a CPU profile taken meanwhile, whose samples are in the trace.
func samples(start func()) {
	var profile bytes.Buffer
	start()
	fail(pprof.StartCPUProfile(&profile))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { spin(150_000_000) })
	}
	all.Wait()
	pprof.StopCPUProfile()
}
