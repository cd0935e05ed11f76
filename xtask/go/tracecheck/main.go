// Tracecheck reads execution traces with Go's own reader, internal/trace, and
// says what it found: one line a file, then the events by kind.
//
//	ok FILE events=41 tasks=3 with_stack=25 generations=1
//	  StateTransition 20
//	error FILE: why it is refused
//
// With -strict it also checks what the reader takes on trust: that a live task
// is mentioned in every generation, and that tasks and procs run one to one. It
// then counts unblocks, and those that no task did. With -totals it prints one
// line of JSON for each file instead, with what Go's summarizer says of each
// task.
//
// The package it imports is internal to Go's tree, so this file is built with
// an overlay that puts it there. Its exit status is 1 if any file failed.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"internal/trace"
	"io"
	"maps"
	"os"
	"slices"
)

func main() {
	strict := flag.Bool("strict", false, "check what Go's reader takes on trust, too")
	quiet := flag.Bool("quiet", false, "say nothing of files that are sound")
	totals := flag.Bool("totals", false, "print a line of JSON with each task's times instead")
	flag.Parse()
	out := bufio.NewWriter(os.Stdout)
	failed := false
	for _, name := range flag.Args() {
		r := newReport(*strict, *totals)
		err := r.read(name)
		if err == nil {
			err = r.verdict()
		}
		if err == nil && *totals {
			err = r.printTotals(out, name)
		}
		if err != nil {
			failed = true
			fmt.Fprintf(out, "error %s: %v\n", name, err)
		} else if !*totals && !*quiet {
			r.print(out, name)
		}
		if err := out.Flush(); err != nil {
			fmt.Fprintln(os.Stderr, "tracecheck:", err)
			os.Exit(1)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// A report holds what was found in one file.
type report struct {
	events     int
	withStack  int
	syncs      int
	byKind     map[trace.EventKind]int
	tasks      map[trace.GoID]struct{}
	strict     *strictness       // nil unless asked for
	summarizer *trace.Summarizer // nil unless asked for
}

func newReport(strict, totals bool) *report {
	r := &report{
		byKind: make(map[trace.EventKind]int),
		tasks:  make(map[trace.GoID]struct{}),
	}
	if strict {
		r.strict = newStrictness()
	}
	if totals {
		r.summarizer = trace.NewSummarizer()
	}
	return r
}

// read counts all events of a file. A panic of the reader's is an error of the
// file's: a trace must not bring down the tools it is opened with.
func (r *report) read(name string) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("after %d events Go's reader panics: %v", r.events, p)
		}
	}()
	reader, err := trace.NewReader(file)
	if err != nil {
		return err
	}
	for {
		event, err := reader.ReadEvent()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d events: %w", r.events, err)
		}
		r.add(event)
	}
}

func (r *report) add(event trace.Event) {
	r.events++
	r.byKind[event.Kind()]++
	if event.Kind() == trace.EventSync {
		r.syncs++
	}
	if task := event.Goroutine(); task != trace.NoGoroutine {
		r.tasks[task] = struct{}{}
	}
	if event.Stack() != trace.NoStack {
		r.withStack++
	}
	if r.strict != nil {
		r.strict.add(event)
	}
	if r.summarizer != nil {
		r.summarizer.Event(&event)
	}
}

// verdict is nil if nothing but the reader's acceptance was asked for or all
// strict checks passed.
func (r *report) verdict() error {
	if r.strict == nil || r.strict.findings == 0 {
		return nil
	}
	return fmt.Errorf("%d strict findings: %w", r.strict.findings, errors.Join(r.strict.first...))
}

func (r *report) print(out io.Writer, name string) {
	// There is a sync event before each generation and one at the end.
	fmt.Fprintf(out, "ok %s events=%d tasks=%d with_stack=%d generations=%d",
		name, r.events, len(r.tasks), r.withStack, max(r.syncs-1, 0))
	if r.strict != nil {
		fmt.Fprintf(out, " unblocks=%d without_waker=%d", r.strict.unblocks, r.strict.withoutWaker)
	}
	fmt.Fprintln(out)
	kinds := slices.SortedFunc(maps.Keys(r.byKind), func(a, b trace.EventKind) int {
		return cmp.Compare(a.String(), b.String())
	})
	for _, kind := range kinds {
		fmt.Fprintf(out, "  %-22s %d\n", kind, r.byKind[kind])
	}
}
