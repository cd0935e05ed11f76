package main

import (
	"runtime"
	"time"
)

// As in bench/src/map.rs.
const (
	mix    = 100
	growth = 4
)

func openMap(what string, settings map[string]string) benchCase {
	shape, entries := settings["key"], max(number(settings["entries"]), 1)
	base := mapCase{
		keys:    newKeys(shape, 0, entries),
		order:   scattered(entries),
		threads: max(number(settings["threads"]), 1),
		table:   new(runtime.TraceBenchMap),
	}
	switch what {
	case "hit":
		base.fill()
		return &hit{base}
	case "insert":
		return &insert{base}
	case "mixed":
		base.fill()
		return &mixed{base, newKeys(shape, entries, max(entries/growth, 1)), 0}
	}
	fail("there is no case map " + what)
	return nil
}

type mapCase struct {
	keys    keys
	order   []uint32
	threads int
	table   *runtime.TraceBenchMap
}

func (c *mapCase) fill() {
	c.table.Reset()
	for _, at := range c.order {
		c.table.Put(c.keys.get(int(at)))
	}
}

// Its memory is not the garbage collector's.
func (c *mapCase) close() {
	c.table.Reset()
}

// part is the part of count that belongs to a thread.
func part(count, thread, threads int) (int, int) {
	return count * thread / threads, count * (thread + 1) / threads
}

// putRange finds or adds some keys in order.
func (c *mapCase) putRange(from, to int) {
	table, length := c.table, c.keys.length
	for bytes := c.keys.bytes[from*length : to*length]; len(bytes) > 0; bytes = bytes[length:] {
		table.Put(bytes[:length])
	}
}

type hit struct{ mapCase }

func (c *hit) run(operations int) (int, time.Duration) {
	count := c.keys.count()
	each := (operations + c.threads - 1) / c.threads
	took := timed(c.threads, func(thread int) {
		at, _ := part(count, thread, c.threads)
		for left := each; left > 0; {
			to := min(count, at+left)
			c.putRange(at, to)
			left -= to - at
			at = 0
		}
	})
	return each * c.threads, took
}

func (c *hit) bytesPerEntry() float64 {
	return float64(c.table.Mapped())/float64(c.keys.count()) - float64(c.keys.length)
}

type insert struct{ mapCase }

func (c *insert) run(operations int) (int, time.Duration) {
	var took time.Duration
	ran := 0
	for ran < operations {
		c.table.Reset()
		took += timed(c.threads, func(thread int) {
			from, to := part(len(c.order), thread, c.threads)
			for _, at := range c.order[from:to] {
				c.table.Put(c.keys.get(int(at)))
			}
		})
		ran += len(c.order)
	}
	return ran, took
}

type mixed struct {
	mapCase
	fresh keys
	used  int
}

func (c *mixed) run(operations int) (int, time.Duration) {
	var took time.Duration
	ran := 0
	for ran < operations {
		if c.used == c.fresh.count() {
			c.fill()
			c.used = 0
		}
		fresh := max(min((operations-ran+mix-1)/mix, c.fresh.count()-c.used), 1)
		count := c.keys.count()
		took += timed(c.threads, func(thread int) {
			from, to := part(fresh, thread, c.threads)
			at, _ := part(count, thread, c.threads)
			for added := from; added < to; added++ {
				for left := mix - 1; left > 0; {
					end := min(count, at+left)
					c.putRange(at, end)
					left -= end - at
					at = end % count
				}
				c.table.Put(c.fresh.get(c.used + added))
			}
		})
		c.used += fresh
		ran += fresh * mix
	}
	return ran, took
}
