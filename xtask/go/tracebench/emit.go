package main

import (
	"context"
	"io"
	"runtime/trace"
	"time"
)

// An emit case emits events into a trace that nobody keeps. Go's tracer has a
// goroutine that fetches what was written; it may run on another core.
type emit struct {
	events int
	traced bool
	one    func(ctx context.Context)
}

func openEmit(what string) benchCase {
	region := func(ctx context.Context) { trace.WithRegion(ctx, "region", func() {}) }
	log := func(ctx context.Context) { trace.Log(ctx, "category", "a message") }
	switch what {
	case "off":
		return &emit{1, false, region}
	case "region", "region-stack", "region-recalled": // Go takes the stack always.
		return &emit{2, true, region}
	case "log-stack":
		return &emit{1, true, log}
	}
	fail("there is no case emit " + what)
	return nil
}

func (c *emit) run(operations int) (int, time.Duration) {
	if c.traced {
		if err := trace.Start(io.Discard); err != nil {
			fail(err.Error())
		}
		defer trace.Stop()
	}
	ctx, ran := context.Background(), 0
	took := timedHere(func() {
		for ran < operations {
			c.one(ctx)
			ran += c.events
		}
	})
	return ran, took
}
