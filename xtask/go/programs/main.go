// Programs records execution traces of small programs, to compare what our
// reader makes of them with what Go's makes.
//
//	programs NAME FILE records one of them
//	programs lists their names
//
// Each program starts the trace itself, so that tasks can be there before it
// and be doing something.
package main

import (
	"fmt"
	"maps"
	"os"
	"runtime/trace"
	"slices"
)

var programs = map[string]func(start func()){
	"annotations": annotations,
	"channels":    channels,
	"coroutines":  coroutines,
	"crowd":       crowd,
	"endings":     endings,
	"files":       files,
	"garbage":     garbage,
	"mutexes":     mutexes,
	"network":     network,
	"preemption":  preemption,
	"procs":       procs,
	"samples":     samples,
	"selects":     selects,
	"syscalls":    syscalls,
	"timers":      timers,
}

func main() {
	if len(os.Args) < 3 {
		for _, name := range slices.Sorted(maps.Keys(programs)) {
			fmt.Println(name)
		}
		return
	}
	program, ok := programs[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("there is no program %q", os.Args[1]))
	}
	file, err := os.Create(os.Args[2])
	fail(err)
	program(func() { fail(trace.Start(file)) })
	trace.Stop()
	fail(file.Close())
}

// fail ends the program if there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "programs:", err)
		os.Exit(1)
	}
}
