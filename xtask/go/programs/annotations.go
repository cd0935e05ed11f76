package main

import (
	"context"
	"runtime/trace"
	"sync"
	"time"
)

// annotations has user tasks, regions and messages: some begin before the
// trace, some never end.
func annotations(start func()) {
	ctxBegun, begun := trace.NewTask(context.Background(), "begun before the trace")
	region := trace.StartRegion(ctxBegun, "begun before the trace")
	start()
	ctx, request := trace.NewTask(context.Background(), "request")
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			inner, part := trace.NewTask(ctx, "part")
			trace.Logf(inner, "part", "number %d, %q", n, "\n")
			trace.WithRegion(inner, "outer", func() {
				trace.WithRegion(inner, "inner", func() {
					time.Sleep(time.Duration(n) * 50 * time.Microsecond)
				})
			})
			if n%2 == 0 {
				trace.StartRegion(inner, "unfinished")
			}
			if n%5 != 0 {
				part.End()
			}
		})
	}
	all.Wait()
	trace.Log(ctx, "", "without a category")
	request.End()
	region.End()
	begun.End()
	trace.NewTask(ctx, "unfinished")
}
