package main

import (
	"encoding/json"
	"internal/trace"
	"io"
	"maps"
	"slices"
	"time"
)

// The totals of one file, as one line of JSON: what Go's summarizer says of
// each task, and the counts that are printed for people otherwise.
type totals struct {
	File      string
	Events    int
	WithStack int
	Tasks     int
	ByKind    map[string]int
	Summary   []taskTotals
}

// What one task did, in nanoseconds.
type taskTotals struct {
	Task           trace.GoID
	Function       string
	Running        time.Duration
	Runnable       time.Duration
	Blocked        map[string]time.Duration
	Syscall        time.Duration
	SyscallBlocked time.Duration
	Total          time.Duration
}

// printTotals prints them, tasks by number.
func (r *report) printTotals(out io.Writer, name string) error {
	byKind := make(map[string]int)
	for kind, count := range r.byKind {
		byKind[kind.String()] = count
	}
	all := totals{
		File:      name,
		Events:    r.events,
		WithStack: r.withStack,
		Tasks:     len(r.tasks),
		ByKind:    byKind,
	}
	summary := r.summarizer.Finalize()
	for _, id := range slices.Sorted(maps.Keys(summary.Goroutines)) {
		task := summary.Goroutines[id]
		all.Summary = append(all.Summary, taskTotals{
			Task:           id,
			Function:       task.Name,
			Running:        task.ExecTime,
			Runnable:       task.SchedWaitTime,
			Blocked:        task.BlockTimeByReason,
			Syscall:        task.SyscallTime,
			SyscallBlocked: task.SyscallBlockTime,
			Total:          task.TotalTime,
		})
	}
	return json.NewEncoder(out).Encode(all)
}
