//! What the compiler emits: source and expected listing side by side.

mod common;

use expect_test::{Expect, expect};

fn check(source: &str, expected: Expect) {
    let program = match weft::compile("t.weft", source) {
        Ok(program) => program,
        Err(errors) => panic!("{errors}"),
    };
    common::verify(&program);
    expected.assert_eq(&program.disassemble().to_string());
}

#[test]
fn issue_example() {
    check(
        r#"fn worker(id, jobs, results) {
  for job in jobs {                  // receives until jobs is closed and empty
    region "work" {
      send(results, [id, job * job])
    }
  }
}

fn feed(jobs, count) {
  for i in 0..count { send(jobs, i) }
  close(jobs)
  return count
}

fn main() {
  let jobs = chan(4)
  let results = chan(0)
  for id in 0..3 { spawn worker(id, jobs, results) }
  let feeder = spawn feed(jobs, 10)
  let sum = 0
  for i in 0..10 {
    let r = recv(results)
    sum = sum + r[1]
  }
  log("result", "sum " + str(sum))
  print("fed", join(feeder), "sum", sum)   // fed 10 sum 285
}
"#,
        expect![[r#"
            fn worker/3, 9 registers, at t.weft:1:4
                0  2:14    move           r3, r1
                1  2:14    for_prep       r3
                2  2:14    for_next       r3, -> 11
                3  3:12    const          r6, k0  ; "work"
                4  3:5     region_begin   r6
                5  4:22    move           r7, r0
                6  4:30    mul            r8, r5, r5
                7  4:21    new_list       r6, r7, 2
                8  4:7     send           r2, r6
                9  5:5     region_end
               10  2:3     loop           -> 2
               11  7:1     return_nil

            fn feed/2, 5 registers, at t.weft:9:4
                0  10:12   int            r2, 0
                1  10:15   move           r3, r1
                2  10:13   for_range_prep r2, -> 5
                3  10:23   send           r0, r4
                4  10:3    for_range      r2, -> 3
                5  11:3    close          r0
                6  12:3    return         r1

            fn main/0, 10 registers, at t.weft:15:4
                0  16:19   int            r0, 4
                1  16:14   builtin        r0, chan, 1
                2  17:22   int            r1, 0
                3  17:17   builtin        r1, chan, 1
                4  18:13   int            r2, 0
                5  18:16   int            r3, 3
                6  18:14   for_range_prep r2, -> 13
                7  18:26   const          r5, k0  ; fn worker
                8  18:33   move           r6, r4
                9  18:37   move           r7, r0
               10  18:43   move           r8, r1
               11  18:20   spawn          r5, 3
               12  18:3    for_range      r2, -> 7
               13  19:22   const          r2, k1  ; fn feed
               14  19:27   move           r3, r0
               15  19:33   int            r4, 10
               16  19:16   spawn          r2, 2
               17  20:13   int            r3, 0
               18  21:12   int            r4, 0
               19  21:15   int            r5, 10
               20  21:13   for_range_prep r4, -> 26
               21  22:13   recv           r7, r1
               22  23:19   int            r9, 1
               23  23:18   index          r8, r7, r9
               24  23:15   add            r3, r3, r8
               25  21:3    for_range      r4, -> 21
               26  25:7    const          r4, k2  ; "result"
               27  25:17   const          r6, k3  ; "sum "
               28  25:30   move           r7, r3
               29  25:26   builtin        r7, str, 1
               30  25:24   add            r5, r6, r7
               31  25:3    builtin        r4, log, 2
               32  26:9    const          r4, k4  ; "fed"
               33  26:16   join           r5, r2
               34  26:30   const          r6, k5  ; "sum"
               35  26:37   move           r7, r3
               36  26:3    builtin        r4, print, 4
               37  27:1    return_nil
        "#]],
    );
}

#[test]
fn precedence_is_that_of_rust() {
    check(
        "fn f(a, b, c) { return a + b * c - -a % b == c or not a and b < c }\nfn main() {}",
        expect![[r#"
            fn f/3, 8 registers, at t.weft:1:4
                0  1:30    mul            r6, r1, r2
                1  1:26    add            r5, r0, r6
                2  1:36    neg            r7, r0
                3  1:39    rem            r6, r7, r1
                4  1:34    sub            r4, r5, r6
                5  1:43    eq             r3, r4, r2
                6  1:48    jump_if        r3, -> 10
                7  1:51    not            r3, r0
                8  1:57    jump_if_not    r3, -> 10
                9  1:63    lt             r3, r1, r2
               10  1:17    return         r3

            fn main/0, 0 registers, at t.weft:2:4
                0  2:12    return_nil
        "#]],
    );
}

#[test]
fn literals_and_constants() {
    check(
        r#"const LIMIT = 1_000 * 60 + 0xff
const NAME = "we" + "ft"
const ON = not nil and LIMIT > 5
fn main() {
  print(LIMIT, NAME, ON, nil, false, 1.5, -7, 32768, -9223372036854775808, "\u{e9}\n")
}"#,
        expect![[r#"
            fn main/0, 10 registers, at t.weft:4:4
                0  5:9     const          r0, k0  ; 60255
                1  5:16    const          r1, k1  ; "weft"
                2  5:22    true           r2
                3  5:26    nil            r3
                4  5:31    false          r4
                5  5:38    const          r5, k2  ; 1.5
                6  5:43    int            r6, -7
                7  5:47    const          r7, k3  ; 32768
                8  5:54    const          r8, k4  ; -9223372036854775808
                9  5:76    const          r9, k5  ; "é\n"
               10  5:3     builtin        r0, print, 10
               11  6:1     return_nil
        "#]],
    );
}

#[test]
fn conditions_jump_without_values() {
    check(
        "fn f(a, b, c) {
  if a and (b or not c) { return 1 } else if a >= b { a = 2 } else { a = 3 }
  while not (a != b) { a = b > c }
  while true { if nil { continue } break }
}
fn main() {}",
        expect![[r#"
            fn f/3, 4 registers, at t.weft:1:4
                0  2:6     jump_if_not    r0, -> 5
                1  2:13    jump_if        r1, -> 3
                2  2:22    jump_if        r2, -> 5
                3  2:34    int            r3, 1
                4  2:27    return         r3
                5  2:48    test_le        r1, r0, true
                6  2:48    jump           -> 9
                7  2:59    int            r0, 2
                8  2:61    jump           -> 10
                9  2:74    int            r0, 3
               10  3:16    test_eq        r0, r1, true
               11  3:16    jump           -> 14
               12  3:30    lt             r0, r2, r1
               13  3:3     loop           -> 10
               14  4:19    jump           -> 16
               15  4:25    loop           -> 14
               16  4:36    jump           -> 18
               17  4:3     loop           -> 14
               18  5:1     return_nil

            fn main/0, 0 registers, at t.weft:6:4
                0  6:12    return_nil
        "#]],
    );
}

#[test]
fn logic_into_a_variable_keeps_its_old_value() {
    check(
        "fn f(a, b) {
  a = b and a
  let c = a or b
  return c
}
fn main() {}",
        expect![[r#"
            fn f/2, 3 registers, at t.weft:1:4
                0  2:7     move           r2, r1
                1  2:9     jump_if_not    r2, -> 3
                2  2:13    move           r2, r0
                3  2:9     move           r0, r2
                4  3:11    move           r2, r0
                5  3:13    jump_if        r2, -> 7
                6  3:16    move           r2, r1
                7  4:3     return         r2

            fn main/0, 0 registers, at t.weft:6:4
                0  6:12    return_nil
        "#]],
    );
}

#[test]
fn shadowing() {
    check(
        "const X = 1
fn len(x) { return x }
fn main() {
  let x = X
  let x = x + 1
  if x {
    let x = x - 1
    print(x)
  }
  let X = len(x)
  let print = len
  print(X)
}",
        expect![[r#"
            fn len/1, 1 registers, at t.weft:2:4
                0  2:13    return         r0

            fn main/0, 6 registers, at t.weft:3:4
                0  4:11    int            r0, 1
                1  5:13    add_int        r1, r0, 1
                2  6:6     jump_if_not    r1, -> 6
                3  7:15    sub_int        r2, r1, 1
                4  8:11    move           r3, r2
                5  8:5     builtin        r3, print, 1
                6  10:15   move           r3, r1
                7  10:11   call_fn        r2, f0  ; fn len
                8  11:15   const          r3, k0  ; fn len
                9  12:3    move           r4, r3
               10  12:9    move           r5, r2
               11  12:3    call           r4, 1
               12  13:1    return_nil
        "#]],
    );
}

#[test]
fn regions_end_on_every_way_out() {
    check(
        r#"fn f(xs) {
  region "a" {
    for x in xs {
      region "b" {
        if x == 1 { break }
        if x == 2 { continue }
        if x == 3 { return x }
      }
    }
    return
  }
}
fn main() {}"#,
        expect![[r#"
            fn f/1, 5 registers, at t.weft:1:4
                0  2:10    const          r1, k0  ; "a"
                1  2:3     region_begin   r1
                2  3:14    move           r1, r0
                3  3:14    for_prep       r1
                4  3:14    for_next       r1, -> 25
                5  4:14    const          r4, k1  ; "b"
                6  4:7     region_begin   r4
                7  5:17    int            r4, 1
                8  5:14    test_eq        r3, r4, true
                9  5:14    jump           -> 12
               10  5:21    region_end
               11  5:21    jump           -> 25
               12  6:17    int            r4, 2
               13  6:14    test_eq        r3, r4, true
               14  6:14    jump           -> 17
               15  6:21    region_end
               16  6:21    loop           -> 4
               17  7:17    int            r4, 3
               18  7:14    test_eq        r3, r4, true
               19  7:14    jump           -> 23
               20  7:21    region_end
               21  7:21    region_end
               22  7:21    return         r3
               23  8:7     region_end
               24  3:5     loop           -> 4
               25  10:5    region_end
               26  10:5    return_nil
               27  11:3    region_end
               28  12:1    return_nil

            fn main/0, 0 registers, at t.weft:13:4
                0  13:12   return_nil
        "#]],
    );
}

#[test]
fn calls_leave_results_where_they_are_wanted() {
    check(
        "fn f(a, b) {
  let c = f(a, f(b, 1))
  c = f(c, 2)
  let g = f
  g(g(a))
  let h = spawn g(a)
  let d = join(h)
  recv(d)
  d = [a, b][0]
  d[a + 1] = send(d, b)
  sleep(1)
  yield()
  return g(a)(b)
}
fn main() {}",
        expect![[r#"
            fn f/2, 9 registers, at t.weft:1:4
                0  2:13    move           r3, r0
                1  2:18    move           r5, r1
                2  2:21    int            r6, 1
                3  2:16    call_fn        r4, f0  ; fn f
                4  2:11    call_fn        r2, f0  ; fn f
                5  3:9     move           r4, r2
                6  3:12    int            r5, 2
                7  3:7     call_fn        r3, f0  ; fn f
                8  3:7     move           r2, r3
                9  4:11    const          r3, k0  ; fn f
               10  5:3     move           r4, r3
               11  5:5     move           r5, r3
               12  5:7     move           r6, r0
               13  5:5     call           r5, 1
               14  5:3     call           r4, 1
               15  6:17    move           r4, r3
               16  6:19    move           r5, r0
               17  6:11    spawn          r4, 1
               18  7:11    join           r5, r4
               19  8:3     recv           r6, r5
               20  9:8     move           r7, r0
               21  9:11    move           r8, r1
               22  9:7     new_list       r6, r7, 2
               23  9:14    int            r7, 0
               24  9:13    index          r5, r6, r7
               25  10:7    add_int        r6, r0, 1
               26  10:14   send           r5, r1
               27  10:14   nil            r7
               28  10:4    set_index      r5, r6, r7
               29  11:9    int            r6, 1
               30  11:3    sleep          r6
               31  12:3    yield
               32  13:10   move           r6, r3
               33  13:12   move           r7, r0
               34  13:10   call           r6, 1
               35  13:15   move           r7, r1
               36  13:14   call           r6, 1
               37  13:3    return         r6

            fn main/0, 0 registers, at t.weft:15:4
                0  15:12   return_nil
        "#]],
    );
}

#[test]
fn newlines_inside_brackets_and_after_operators() {
    check(
        "fn f(
  a,
  b,
) {
  let c = a +
    b
  let d = [
    a
    - b,
  ]
  return
  (d)
}
fn main() {}",
        expect![[r#"
            fn f/2, 5 registers, at t.weft:1:4
                0  5:13    add            r2, r0, r1
                1  9:5     sub            r4, r0, r1
                2  7:11    new_list       r3, r4, 1
                3  11:3    return_nil
                4  13:1    return_nil

            fn main/0, 0 registers, at t.weft:14:4
                0  14:12   return_nil
        "#]],
    );
}

#[test]
fn long_lists_are_made_in_chunks() {
    let items: Vec<String> = (0..70).map(|_| "a".to_owned()).collect();
    let source = format!("fn f(a) {{ a = [{}] }}\nfn main() {{}}", items.join(", "));
    let program = weft::compile("t.weft", &source).expect("it compiles");
    common::verify(&program);
    let listing = program.disassemble().to_string();
    let lists: Vec<&str> = listing.lines().filter(|l| !l.contains("move")).collect();
    expect![[r#"
        fn f/1, 34 registers, at t.weft:1:4
           32  1:15    new_list       r1, r2, 32
           65  1:15    extend         r1, r2, 32
           72  1:15    extend         r1, r2, 6
           74  1:226   return_nil

        fn main/0, 0 registers, at t.weft:2:4
            0  2:12    return_nil"#]]
    .assert_eq(&lists.join("\n"));
}

#[test]
fn positions_of_instructions() {
    let program =
        weft::compile("t.weft", "fn main() {\n  print(\"é\", 1 / 0)\n}").expect("it compiles");
    let main = program.function(program.main);
    let at: Vec<String> = (0..main.code.len())
        .map(|pc| main.lines.position(pc).to_string())
        .collect();
    assert_eq!(at, ["2:9", "2:14", "2:18", "2:16", "2:3", "3:1"]);
    assert_eq!(main.lines.position(1000).to_string(), "3:1");
}

#[test]
fn examples_compile_and_say_what_they_do() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("there are examples") {
        let path = entry.expect("the folder is readable").path();
        if path.extension().is_none_or(|ext| ext != "weft") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("examples are text");
        match weft::compile(&path.to_string_lossy(), &source) {
            Ok(program) => common::verify(&program),
            Err(errors) => panic!("{errors}"),
        }
        assert!(
            source.contains("// expect: ") || source.contains("// error: "),
            "{} says not what it does",
            path.display()
        );
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} examples");
}

#[test]
fn select_user_tasks_and_slices() {
    check(
        r#"fn f(c, d, s) {
  while true {
    task "t" {
      region "r" {
        select {
          x = recv(c) { return x }
          recv(d) { break }
          send(c, s[1..len(s)]) { continue }
          after(5) {}
          send(d, read_file(s)) { label(s) }
        }
      }
    }
  }
}
fn main() {}"#,
        expect![[r#"
            fn f/3, 7 registers, at t.weft:1:4
                0  3:10    const          r3, k0  ; "t"
                1  3:5     user_task      r3
                2  4:14    const          r3, k1  ; "r"
                3  4:7     region_begin   r3
                4  8:21    int            r5, 1
                5  8:28    move           r6, r2
                6  8:24    builtin        r6, len, 1
                7  8:20    slice          r4, r2, r5
                8  9:17    int            r5, 5
                9  10:19   read_file      r6, r2
               10  5:9     select         5
               11  6:15    arm_recv       r3, r0
               12  6:15    jump           -> 21
               13  7:11    arm_recv       r3, r1
               14  7:11    jump           -> 24
               15  8:11    arm_send       r0, r4
               16  8:11    jump           -> 27
               17  9:11    arm_after      r5
               18  9:11    jump           -> 30
               19  10:11   arm_send       r1, r6
               20  10:11   jump           -> 31
               21  6:25    region_end
               22  6:25    user_task_end
               23  6:25    return         r3
               24  7:21    region_end
               25  7:21    user_task_end
               26  7:21    jump           -> 36
               27  8:35    region_end
               28  8:35    user_task_end
               29  8:35    loop           -> 0
               30  9:21    jump           -> 33
               31  10:41   move           r4, r2
               32  10:35   builtin        r4, label, 1
               33  12:7    region_end
               34  13:5    user_task_end
               35  2:3     loop           -> 0
               36  15:1    return_nil

            fn main/0, 0 registers, at t.weft:16:4
                0  16:12   return_nil
        "#]],
    );
}
