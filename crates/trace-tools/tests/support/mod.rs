//! A trace in which every duration is known, for the analyses of time.

use std::io::Cursor;

use trace_read::text;
use trace_tools::input::Bytes;

/// Two tasks do a bit of everything on one proc, in nanoseconds from 1000 on.
///
/// Task 1, `main.main`, was there before the trace and runs. It creates task 2,
/// `main.worker`, waits for it, and is in a system call that loses its proc. Task
/// 3 was in a system call on another worker before the trace and still is at the
/// end. `more` is added to the time that task 2 runs before it wakes task 1.
pub fn known(more: u64) -> String {
    let wakes = 50 + more;
    format!(
        r#"
Trace Go1.26
EventBatch gen=1 m=18446744073709551615 time=1000
Sync
Frequency freq=1000000000
ClockSnapshot dt=0 mono=5000 sec=1700000000 nsec=17
EventBatch gen=1 m=7 time=1000
ProcStatus dt=10 p=0 pstatus=1             # 1010
GoStatusStack dt=10 g=1 m=7 gstatus=2 stack=1
GoStatusStack dt=5 g=3 m=9 gstatus=3 stack=4
GoCreate dt=5 new_g=2 new_stack=2 stack=3  # 1030
UserTaskBegin dt=10 task=5 parent_task=0 name_string=10 stack=0
UserRegionBegin dt=10 task=5 name_string=11 stack=0
UserRegionEnd dt=50 task=5 name_string=11 stack=0
UserLog dt=10 task=0 key_string=12 value_string=13 stack=0
UserRegionBegin dt=10 task=5 name_string=11 stack=0
GoBlock dt=80 reason_string=8 stack=4      # 1200
GoStart dt=100 g=2 g_seq=1                 # 1300
GoSyscallBegin dt=100 p_seq=1 stack=5      # 1400
GoSyscallEnd dt=50                         # 1450
GoUnblock dt={wakes} g=1 g_seq=1 stack=6   # 1500
UserTaskEnd dt=50 task=5 stack=0           # 1550
GCSweepBegin dt=10 stack=0
GCSweepEnd dt=20 swept_value=100 reclaimed_value=40
GoDestroy dt=20                            # 1600
GoStart dt=100 g=1 g_seq=2                 # 1700
GoSyscallBegin dt=100 p_seq=2 stack=4      # 1800
GoSyscallEndBlocked dt=200                 # 2000
EventBatch gen=1 m=8 time={stolen}
ProcSteal dt=0 p=0 p_seq=3 m=7             # 1850
EventBatch gen=1 m=18446744073709551615 time=1000
Strings
String id=1
	data="main.main"
String id=2
	data="main.worker"
String id=3
	data="main.spawn"
String id=4
	data="main.receive"
String id=5
	data="main.read"
String id=6
	data="main.send"
String id=7
	data="/src/main.go"
String id=8
	data="chan receive"
String id=10
	data="request"
String id=11
	data="a \x1b[31mregion"
String id=12
	data="runtime-trace"
String id=13
	data="3 events lost"
EventBatch gen=1 m=18446744073709551615 time=1000
Stacks
Stack id=1 nframes=1
	pc=1 func=1 file=7 line=10
Stack id=2 nframes=1
	pc=2 func=2 file=7 line=20
Stack id=3 nframes=2
	pc=3 func=3 file=7 line=11
	pc=1 func=1 file=7 line=10
Stack id=4 nframes=2
	pc=4 func=4 file=7 line=12
	pc=1 func=1 file=7 line=10
Stack id=5 nframes=2
	pc=5 func=5 file=7 line=21
	pc=2 func=2 file=7 line=20
Stack id=6 nframes=2
	pc=6 func=6 file=7 line=22
	pc=2 func=2 file=7 line=20
EndOfGeneration
"#,
        stolen = 1850 + more
    )
}

/// The trace of a text, as analyses take it.
pub fn input(text: &str) -> Bytes {
    Box::new(Cursor::new(text::to_bytes(text).unwrap()))
}
