// LTTng's userspace tracer, answering to the same lines as the Rust program in
// the folder above: see there. Its cases are those whose third word is "lttng".
// Whoever starts this has set up a session that records the events.

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum what { REGION, MESSAGE };

static long now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

// Writes about so many events and says so. A region is two.
static void run(enum what what, long operations) {
	long done = 0;
	long start = now();
	while (done < operations) {
		if (what == MESSAGE) {
			lttng_ust_tracepoint(bench, message, "a message");
			done += 1;
		} else {
			lttng_ust_tracepoint(bench, region_begin, "region");
			lttng_ust_tracepoint(bench, region_end, "region");
			done += 2;
		}
	}
	printf("ran %ld %ld\n", done, now() - start);
}

int main(void) {
	static enum what cases[1024];
	char line[256], word[32];
	long opened = 0, id, operations;
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "open emit %31s lttng", word) == 1 && opened < 1023) {
			opened++;
			if (!strcmp(word, "region")) {
				cases[opened] = REGION;
			} else if (!strcmp(word, "log-stack")) {
				cases[opened] = MESSAGE;
			} else {
				break;
			}
			printf("opened %ld\n", opened);
		} else if (sscanf(line, "run %ld %ld", &id, &operations) == 2 && 0 < id && id <= opened) {
			run(cases[id], operations);
		} else if (sscanf(line, "close %ld", &id) == 1) {
			printf("closed\n");
		} else {
			break;
		}
		fflush(stdout);
	}
	if (ferror(stdin) || !feof(stdin)) {
		fprintf(stderr, "lttng: this is no request: %s\n", line);
		return 1;
	}
	return 0;
}
