//! Every kind of compile error, with its exact place.

use expect_test::{Expect, expect};

/// All errors of a program, one a line, without the report around them.
fn check(source: &str, expected: Expect) {
    let errors = weft::compile("t.weft", source).expect_err("the program is wrong");
    let lines: Vec<String> = errors
        .iter()
        .map(|e| format!("{}:{e}", errors.file()))
        .collect();
    // The report must exist for every error, whatever its shape.
    assert_eq!(errors.to_string().matches("error: ").count(), lines.len());
    expected.assert_eq(&lines.join("\n"));
}

/// The same for statements inside `main`, which begin in line 2.
fn check_main(statements: &str, expected: Expect) {
    check(&format!("fn main() {{\n{statements}\n}}"), expected);
}

/// The whole report.
fn check_report(source: &str, expected: Expect) {
    let errors = weft::compile("t.weft", source).expect_err("the program is wrong");
    expected.assert_eq(&errors.to_string());
}

#[test]
fn reports() {
    check_report(
        "fn main() {\n  let count = 1\n  print(cuont)\n}",
        expect![[r#"
        error: unknown name `cuont`
         --> t.weft:3:9
          |
        3 |   print(cuont)
          |         ^^^^^
          |
          = help: there is `count`"#]],
    );
    check_report(
        "fn f() {}\n\n\n\nfn f() {}\nfn main() {}",
        expect![[r#"
        error: the function `f` is declared twice
         --> t.weft:5:4
          |
        5 | fn f() {}
          |    ^
          |
         ::: t.weft:1:4
          |
        1 | fn f() {}
          |    - first declared here"#]],
    );
    check_report(
        "fn main() { let s = \"é\", x }",
        expect![[r#"
        error: expected the end of the line, found `,`
         --> t.weft:1:24
          |
        1 | fn main() { let s = "é", x }
          |                        ^"#]],
    );
    check_report(
        "",
        expect![[r#"
        error: the program has no function `main`
         --> t.weft:1:1
          |
        1 |
          | ^
          |
          = help: a program starts at `fn main() { ... }`"#]],
    );
    let long = format!("fn main() {{ print(\"{}\", x) }}", "é".repeat(400));
    check_report(
        &long,
        expect![[r#"
        error: unknown name `x`
        --> t.weft:1:423"#]],
    );
}

#[test]
fn lexing() {
    check_main(
        "let a = @#\nlet b = 1 && 2\nlet c = 3;",
        expect![[r#"
        t.weft:2:9: unexpected `@#`
        t.weft:3:11: unexpected `&&`
        t.weft:4:10: unexpected `;`"#]],
    );
    check_main(
        "print(\"abc)\nprint(\"\\q\", \"\\u{d800}\", \"ok\")",
        expect![[r#"
        t.weft:2:7: this string has no closing quote
        t.weft:3:1: expected `,` or `)`, found `print`
        t.weft:3:8: unknown escape `\q` in a string
        t.weft:3:14: unknown escape `\u{d800}` in a string"#]],
    );
    check_main(
        "print(12ab, 0x, 0b2, 1e, 1.5.2)",
        expect![[r#"
        t.weft:2:7: `12ab` is not a number
        t.weft:2:13: `0x` is not a number
        t.weft:2:17: `0b2` is not a number
        t.weft:2:22: `1e` is not a number
        t.weft:2:29: unexpected `.`"#]],
    );
    check_main(
        "print(9223372036854775808, -9223372036854775809, 1e999)",
        expect![[r#"
        t.weft:2:7: `9223372036854775808` is out of range
        t.weft:2:29: `9223372036854775809` is out of range
        t.weft:2:50: `1e999` is out of range"#]],
    );
    check_main("let größe = 1", expect!["t.weft:2:7: unexpected `öß`"]);
}

#[test]
fn several_syntax_errors_in_one_run() {
    check(
        "let x = 1
fn f(a b) { return a }
fn main() {
  let = 1
  print(1, 2
  let y 5
  if y { let } else { print( }
  x += 1
  1 < 2 < 3
  f(1) = 2
  spawn 1
  let r = 1..2
  print(1) print(2)
  for in x { }
  fn inner() {
    return
  }
}
const A 1
const B = 2",
        expect![[r#"
            t.weft:1:1: expected `fn` or `const`, found `let`
            t.weft:2:8: expected `,` or `)`, found `b`
            t.weft:4:7: expected a name after `let`, found `=`
            t.weft:6:3: expected `,` or `)`, found `let`
            t.weft:6:9: expected `=`, found `5`
            t.weft:7:14: expected a name after `let`, found `}`
            t.weft:7:30: expected an expression, found `}`
            t.weft:8:6: expected an expression, found `=`
            t.weft:9:9: comparisons cannot be chained
            t.weft:10:3: this cannot be assigned to
            t.weft:11:9: `spawn` needs a call
            t.weft:12:12: expected the end of the line, found `..`
            t.weft:13:12: expected the end of the line, found `print`
            t.weft:14:7: expected a name after `for`, found `in`
            t.weft:15:3: a function cannot be inside a function
            t.weft:19:9: expected `=`, found `1`"#]],
    );
}

#[test]
fn newlines_end_statements() {
    check_main(
        "let a = 1\n  + 2 +\n",
        expect!["t.weft:3:3: expected an expression, found `+`"],
    );
    check_main(
        "while true\n{\n}",
        expect!["t.weft:2:11: expected `{`, found the end of the line"],
    );
    check_main(
        "if true {\n}\nelse {\n}",
        expect!["t.weft:4:1: expected an expression, found `else`"],
    );
    check_main(
        "let\na = 1",
        expect!["t.weft:2:4: expected a name after `let`, found the end of the line"],
    );
    check_main(
        "for x\nin y {}",
        expect!["t.weft:2:6: expected `in`, found the end of the line"],
    );
}

#[test]
fn braces_that_do_not_match() {
    check(
        "fn f() {\n  if true {\n}\nfn main() {\n}",
        expect!["t.weft:4:1: a function begins inside an open block"],
    );
    check(
        "fn main() {\n  while true {",
        expect!["t.weft:2:15: expected `}`, found the end of the file"],
    );
    check(
        "fn main() {\n}\n}\nfn f( {\n}",
        expect![[r#"
        t.weft:3:1: expected `fn` or `const`, found `}`
        t.weft:4:7: expected a parameter, found `{`"#]],
    );
}

#[test]
fn names() {
    check_main(
        "print(x)\nlet x = x\ny = 1\nif true { let z = 1 }\nprint(z)",
        expect![[r#"
        t.weft:2:7: unknown name `x`
        t.weft:3:9: unknown name `x`
        t.weft:4:1: assignment to `y`, which is not declared
        t.weft:6:7: unknown name `z`"#]],
    );
    check_main(
        "let total = 1\ntotla = 2\nprnt(total)",
        expect![[r#"
        t.weft:3:1: assignment to `totla`, which is not declared
        t.weft:4:1: unknown name `prnt`"#]],
    );
    check(
        "const A = 1\nfn f() {}\nfn main() {\n  A = 2\n  f = 3\n  len = 4\n}",
        expect![[r#"
        t.weft:4:3: assignment to the constant `A`
        t.weft:5:3: assignment to the function `f`
        t.weft:6:3: assignment to the builtin function `len`"#]],
    );
    check(
        "fn f() {}\nconst f = 1\nfn g(a, b, a) {}\nfn main() {}\nfn main() {}",
        expect![[r#"
        t.weft:2:7: the constant `f` is declared twice
        t.weft:3:12: the parameter `a` is declared twice
        t.weft:5:4: the function `main` is declared twice"#]],
    );
    check_main(
        "let p = print\nspawn send(1, 2)\nprint(yield)",
        expect![[r#"
        t.weft:2:9: the builtin function `print` can only be called
        t.weft:3:7: the builtin function `send` can only be called
        t.weft:4:7: the builtin function `yield` can only be called"#]],
    );
}

#[test]
fn argument_counts() {
    check(
        "fn f(a, b) {}
fn main() {
  f(1)
  spawn f(1, 2, 3)
  len()
  push([])
  send(1)
  yield(1)
  clock(1, 2)
  let f = len([])
  f(1)
}",
        expect![[r#"
            t.weft:3:3: `f` takes 2 arguments, found 1
            t.weft:4:3: `f` takes 2 arguments, found 3
            t.weft:5:3: `len` takes 1 argument, found 0
            t.weft:6:3: `push` takes 2 arguments, found 1
            t.weft:7:3: `send` takes 2 arguments, found 1
            t.weft:8:3: `yield` takes 0 arguments, found 1
            t.weft:9:3: `clock` takes 0 arguments, found 2"#]],
    );
}

#[test]
fn flow() {
    check_main(
        "break\nregion \"r\" { continue }\nwhile true { break }\nif true { break }",
        expect![[r#"
        t.weft:2:1: `break` outside of a loop
        t.weft:3:14: `continue` outside of a loop
        t.weft:5:11: `break` outside of a loop"#]],
    );
    check(
        "fn f() {}",
        expect!["t.weft:1:1: the program has no function `main`"],
    );
    check(
        "fn main(a, b) {}",
        expect!["t.weft:1:9: `main` has no parameters"],
    );
}

#[test]
fn select() {
    check(
        "fn main() {
  let c = chan(0)
  select {}
  select { print(c) {} }
  select { x = send(c, 1) {} }
  select { x = after(1) {} }
  select { recv() {} }
  select { send(c) {} }
  select { after(1, 2) {} }
  select { recv(c) {} else {} else {} }
  select { after(1) {} else {} }
  select { recv(c) }
  select { 5 {} recv(c) {} }
  select
  {}
  select { let x = 1
    recv(c) {} }
  print(c)
}",
        expect![[r#"
            t.weft:3:3: this `select` has no arm
            t.weft:4:12: `print` cannot be an arm of a `select` here
            t.weft:5:16: `send` cannot be an arm of a `select` here
            t.weft:6:16: `after` cannot be an arm of a `select` here
            t.weft:7:12: `recv` takes 1 argument, found 0
            t.weft:8:12: `send` takes 2 arguments, found 1
            t.weft:9:12: `after` takes 1 argument, found 2
            t.weft:10:31: this arm is never taken
            t.weft:11:12: this arm is never taken
            t.weft:12:20: expected `{`, found `}`
            t.weft:13:12: expected an arm: `recv`, `send`, `after` or `else`, found `5`
            t.weft:14:9: expected `{`, found the end of the line
            t.weft:16:12: expected an arm: `recv`, `send`, `after` or `else`, found `let`"#]],
    );
    check_main(
        "let c = 1\nselect { x = recv(c) { print(x) }\nrecv(x) {} }\nprint(x)",
        expect![[r#"
            t.weft:4:6: unknown name `x`
            t.weft:5:7: unknown name `x`"#]],
    );
    let arms = "recv(c) {}\n".repeat(65);
    check_main(
        &format!("let c = chan(0)\nselect {{\n{arms}}}"),
        expect!["t.weft:68:1: more than 64 arms of a `select`"],
    );
}

#[test]
fn slices() {
    check_main(
        "let l = [1]\nl[0..1] = 2\nl[..1]\nl[0..]\nlet r = 0..1",
        expect![[r#"
            t.weft:3:1: this cannot be assigned to
            t.weft:4:3: expected an expression, found `..`
            t.weft:5:6: expected an expression, found `]`
            t.weft:6:10: expected the end of the line, found `..`"#]],
    );
}

#[test]
fn constants() {
    check(
        "const A = B
const B = A + 1
const C = f()
const D = [1]
const E = 9223372036854775807 + 1
const F = 1 % 0 + nope
const G = \"a\" - 1
const H = f
const len = len
fn f() {}
fn main() { print(A, B, len) }",
        expect![[r#"
            t.weft:1:11: the constant `B` has no value yet
            t.weft:3:11: this is not known at compile time
            t.weft:4:11: this is not known at compile time
            t.weft:5:11: this constant cannot be computed: integer overflow
            t.weft:6:11: this constant cannot be computed: division by zero
            t.weft:6:19: unknown name `nope`
            t.weft:7:11: this constant cannot be computed: the types do not fit the operator
            t.weft:8:11: this is not known at compile time
            t.weft:9:13: the constant `len` has no value yet"#]],
    );
}

#[test]
fn limits() {
    let functions: String = (0..65_536).map(|i| format!("fn f{i}() {{}}\n")).collect();
    check(
        &format!("{functions}fn main() {{}}"),
        expect!["t.weft:65537:4: more than 65536 functions"],
    );
    let params: Vec<String> = (0..201).map(|i| format!("p{i}")).collect();
    check(
        &format!("fn f({}) {{}}\nfn main() {{}}", params.join(", ")),
        expect!["t.weft:1:1096: more than 200 parameters"],
    );
    check_main(
        &format!("print({})", vec!["1"; 201].join(", ")),
        expect!["t.weft:2:1: more than 200 arguments"],
    );
    let lets: Vec<String> = (0..251).map(|i| format!("let v{i} = {i}")).collect();
    check_main(
        &lets.join("\n"),
        expect!["t.weft:1:4: more than 250 registers for variables and intermediate values"],
    );
    let floats: Vec<String> = (0..65_537).map(|i| format!("print({i}.5)")).collect();
    check_main(
        &floats.join("\n"),
        expect!["t.weft:65538:7: more than 65536 constants in a function"],
    );
    let body = "yield()\n".repeat(40_000);
    check_main(
        &format!("for i in 0..1 {{\n{body}}}"),
        expect![[r#"
        t.weft:2:1: this loop or branch is too long
        t.weft:2:11: this loop or branch is too long"#]],
    );
    check_main(
        &format!("print({}1{})", "(".repeat(300), ")".repeat(300)),
        expect!["t.weft:2:105: this nests deeper than 200 levels"],
    );
    check_main(
        &format!("print({}1)", "1 + ".repeat(300)),
        expect!["t.weft:2:7: this nests deeper than 200 levels"],
    );
    check_main(
        &"if true {\n".repeat(300),
        expect![[r#"
            t.weft:101:4: this nests deeper than 200 levels
            t.weft:303:2: expected `}`, found the end of the file"#]],
    );
}

#[test]
fn too_many_errors_are_cut() {
    let source = format!("fn main() {{\n{}}}", "print(x)\n".repeat(1000));
    let errors = weft::compile("t.weft", &source).expect_err("the program is wrong");
    assert_eq!(errors.iter().count(), weft::MAX_ERRORS);
    assert!(
        errors
            .to_string()
            .ends_with("\n\nerror: only the first 50 errors are shown")
    );
}

#[test]
fn source_too_long() {
    check(
        &" ".repeat(weft::MAX_SOURCE + 1),
        expect!["t.weft:1:1: the source is longer than 16777216 bytes"],
    );
}
