package main

import (
	"fmt"
	"internal/trace"
	"maps"
	"slices"
)

// Most findings that are told; the others are counted.
const maxTold = 10

// A strictness follows tasks and procs through a trace and notes what Go's
// reader does not refuse although it cannot be true.
type strictness struct {
	findings int
	first    []error

	unblocks     int
	withoutWaker int

	live       map[trace.GoID]struct{} // tasks that exist now
	carried    map[trace.GoID]struct{} // of these, existed before this generation and not mentioned in it yet
	generation int

	procOf map[trace.GoID]trace.ProcID // where a running task runs
	taskOn map[trace.ProcID]trace.GoID // which task runs on a proc
}

func newStrictness() *strictness {
	return &strictness{
		live:    make(map[trace.GoID]struct{}),
		carried: make(map[trace.GoID]struct{}),
		procOf:  make(map[trace.GoID]trace.ProcID),
		taskOn:  make(map[trace.ProcID]trace.GoID),
	}
}

func (s *strictness) find(event trace.Event, format string, args ...any) {
	s.findings++
	if len(s.first) < maxTold {
		what := fmt.Sprintf(format, args...)
		s.first = append(s.first, fmt.Errorf("generation %d, time %d: %s", s.generation, event.Time(), what))
	}
}

func (s *strictness) add(event trace.Event) {
	switch event.Kind() {
	case trace.EventSync:
		s.endGeneration(event)
		return
	case trace.EventStackSample:
		// A sample is taken from outside: it is no mention of the task.
		return
	}
	delete(s.carried, event.Goroutine())
	if event.Kind() != trace.EventStateTransition {
		return
	}
	switch change := event.StateTransition(); change.Resource.Kind {
	case trace.ResourceGoroutine:
		s.taskChanges(event, change)
	case trace.ResourceProc:
		s.procChanges(event, change)
	}
}

// endGeneration checks that each task that came into the generation alive was
// mentioned in it, and starts the next one.
func (s *strictness) endGeneration(event trace.Event) {
	for _, task := range slices.Sorted(maps.Keys(s.carried)) {
		s.find(event, "task %d is alive and not mentioned in this generation", task)
	}
	clear(s.carried)
	for task := range s.live {
		s.carried[task] = struct{}{}
	}
	s.generation++
}

func (s *strictness) taskChanges(event trace.Event, change trace.StateTransition) {
	task := change.Resource.Goroutine()
	from, to := change.Goroutine()
	delete(s.carried, task)
	if to == trace.GoNotExist {
		delete(s.live, task)
	} else {
		s.live[task] = struct{}{}
	}

	if from == trace.GoWaiting && to == trace.GoRunnable {
		s.unblocks++
		if event.Goroutine() == trace.NoGoroutine {
			s.withoutWaker++
		}
	}

	if from == trace.GoRunning && to != trace.GoRunning {
		if proc, ok := s.procOf[task]; ok {
			if event.Proc() != proc {
				s.find(event, "task %d ran on proc %d and stops on proc %d", task, proc, event.Proc())
			}
			delete(s.procOf, task)
			delete(s.taskOn, proc)
		}
	}
	if to == trace.GoRunning {
		s.runs(event, task, event.Proc())
	}
}

// runs notes that a task runs on a proc, and that nothing else does.
func (s *strictness) runs(event trace.Event, task trace.GoID, proc trace.ProcID) {
	if proc == trace.NoProc {
		s.find(event, "task %d runs without a proc", task)
		return
	}
	if other, ok := s.taskOn[proc]; ok && other != task {
		s.find(event, "proc %d runs task %d and task %d at a time", proc, other, task)
	}
	if other, ok := s.procOf[task]; ok && other != proc {
		s.find(event, "task %d runs on proc %d and proc %d at a time", task, other, proc)
	}
	s.taskOn[proc] = task
	s.procOf[task] = proc
}

func (s *strictness) procChanges(event trace.Event, change trace.StateTransition) {
	proc := change.Resource.Proc()
	if _, to := change.Proc(); to == trace.ProcRunning {
		return
	}
	if task, ok := s.taskOn[proc]; ok {
		s.find(event, "proc %d stops although task %d runs on it", proc, task)
	}
}
