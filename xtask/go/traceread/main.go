// Traceread reads all events of an execution trace with Go's own reader,
// internal/trace, does nothing with them, and prints how many there were: what
// the benchmark of readers compares ours with.
//
// The package it imports is internal to Go's tree, so this file is built with
// an overlay that puts it there.
package main

import (
	"fmt"
	"internal/trace"
	"io"
	"os"
)

func main() {
	n, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "traceread:", err)
		os.Exit(1)
	}
	fmt.Println(n)
}

func read(name string) (n int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := trace.NewReader(f)
	if err != nil {
		return 0, err
	}
	for {
		switch _, err := r.ReadEvent(); err {
		case nil:
			n++
		case io.EOF:
			return n, nil
		default:
			return n, err
		}
	}
}
