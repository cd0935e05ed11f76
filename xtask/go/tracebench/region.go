package main

import (
	"runtime"
	"time"
)

// As in bench/src/region.rs.
const pieces = 1 << 16

type region struct {
	size, threads int
	touch         bool
	memory        runtime.TraceBenchRegion
}

func openRegion(what string, settings map[string]string) benchCase {
	if what != "bump" && what != "touch" {
		fail("there is no case region " + what)
	}
	return &region{
		size:    number(settings["size"]),
		threads: max(number(settings["threads"]), 1),
		touch:   what == "touch",
	}
}

func (c *region) run(operations int) (int, time.Duration) {
	each := pieces / c.threads
	var took time.Duration
	ran := 0
	for ran < operations {
		took += timed(c.threads, func(int) {
			for range each {
				at := c.memory.Alloc(c.size)
				if c.touch {
					*(*uint64)(at) = 1
				}
			}
		})
		ran += each * c.threads
		c.memory.Drop()
	}
	return ran, took
}
