package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// files writes and reads files and pipes.
func files(start func()) {
	start()
	folder, err := os.MkdirTemp("", "programs")
	fail(err)
	defer os.RemoveAll(folder)
	var all sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		all.Go(func() {
			path := filepath.Join(folder, name)
			for range 20 {
				fail(os.WriteFile(path, make([]byte, 10_000), 0o600))
				_, err := os.ReadFile(path)
				fail(err)
			}
		})
	}
	reader, writer, err := os.Pipe()
	fail(err)
	all.Go(func() {
		for range 50 {
			_, err := writer.Write([]byte("through the poller"))
			fail(err)
			time.Sleep(50 * time.Microsecond)
		}
		fail(writer.Close())
	})
	_, err = io.Copy(io.Discard, reader)
	fail(err)
	all.Wait()
}

// syscalls has system calls that begin before the trace, that end after it, and
// that take long enough to lose their procs.
func syscalls(start func()) {
	pipe := func() (from, to int) {
		var ends [2]int
		fail(syscall.Pipe(ends[:]))
		return ends[0], ends[1]
	}
	read := func(from int) {
		_, err := syscall.Read(from, make([]byte, 1))
		fail(err)
	}
	write := func(to int) {
		_, err := syscall.Write(to, []byte{1})
		fail(err)
	}
	var all sync.WaitGroup
	before, toBefore := pipe()
	never, _ := pipe()
	all.Go(func() { read(before) })
	go read(never)
	time.Sleep(5 * time.Millisecond)
	start()
	from, to := pipe()
	all.Go(func() {
		for range 10 {
			read(from)
		}
	})
	after, _ := pipe()
	go read(after)
	for range 10 {
		time.Sleep(time.Millisecond)
		write(to)
	}
	write(toBefore)
	all.Wait()
	for range 100 {
		syscall.Getpid()
		syscall.Getppid()
	}
}

// network talks to itself.
func network(start func()) {
	start()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	go func() {
		for {
			peer, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(peer, peer)
				peer.Close()
			}()
		}
	}()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			peer, err := net.Dial("tcp", listener.Addr().String())
			fail(err)
			defer peer.Close()
			answer := make([]byte, 100)
			for range 50 {
				_, err := peer.Write(make([]byte, len(answer)))
				fail(err)
				_, err = io.ReadFull(peer, answer)
				fail(err)
			}
		})
	}
	all.Wait()
	fail(listener.Close())
}

// garbage makes so much of it that tasks have to help the collector.
func garbage(start func()) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	start()
	type node struct {
		next *node
		data [100]byte
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var list *node
			for n := range 40_000 {
				if n%8_000 == 0 {
					list = nil
				}
				list = &node{next: list}
			}
			runtime.KeepAlive(list)
		})
	}
	all.Wait()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
}
