package main

import (
	"sync"
	"time"
)

// channels passes numbers through a pipeline that fans out and in again, over
// channels with and without room.
func channels(start func()) {
	idle := make(chan int)
	go func() { <-idle }() // waits since before the trace
	time.Sleep(time.Millisecond)
	start()
	numbers, squares := make(chan int), make(chan int, 8)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := range numbers {
				squares <- n * n
			}
		})
	}
	go func() {
		for n := range 2_000 {
			numbers <- n
		}
		close(numbers)
		workers.Wait()
		close(squares)
	}()
	for range squares {
	}
	close(idle)
}

// mutexes makes tasks wait for each other in all the ways that sync has.
func mutexes(start func()) {
	start()
	var (
		lock   sync.Mutex
		shared sync.RWMutex
		ready  = sync.NewCond(&lock)
		once   sync.Once
		all    sync.WaitGroup
		turn   int
	)
	const tasks = 8
	for mine := range tasks {
		all.Go(func() {
			once.Do(func() { time.Sleep(time.Millisecond) })
			for range 100 {
				shared.RLock()
				_ = turn
				shared.RUnlock()
				shared.Lock()
				shared.Unlock()
			}
			lock.Lock()
			for turn != mine {
				ready.Wait()
			}
			turn++
			ready.Broadcast()
			lock.Unlock()
		})
	}
	all.Wait()
	// Somebody holds the lock for long, so that it is handed over.
	for range 4 {
		all.Go(func() {
			for range 3 {
				lock.Lock()
				time.Sleep(2 * time.Millisecond)
				lock.Unlock()
			}
		})
	}
	all.Wait()
}

// selects waits for several channels at once, for none, and for ever.
func selects(start func()) {
	go func() { select {} }()
	time.Sleep(time.Millisecond)
	start()
	go func() { select {} }()
	go func() { <-(chan int)(nil) }()
	go func() { (chan<- int)(nil) <- 1 }()
	a, b, done := make(chan int), make(chan int, 1), make(chan struct{})
	go func() {
		defer close(done)
		for range 500 {
			select {
			case a <- 1:
			case b <- 2:
			case <-time.After(time.Second):
			}
		}
	}()
	timeout := time.After(20 * time.Millisecond)
	for {
		select {
		case <-a:
		case <-b:
		case <-timeout:
			timeout = nil
		case <-done:
			select {
			case <-a:
			default:
			}
			if timeout == nil {
				return
			}
			done = nil
			<-timeout
			return
		}
	}
}
