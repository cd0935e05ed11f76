//! Any input ends in a program or in errors; any program keeps its promises;
//! any instruction survives encoding.

#[path = "common/properties.rs"]
mod properties;

use properties::compiles;
use weft::op::{Instr, Op};

/// Xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

#[test]
fn every_instruction_survives_encoding() {
    let mut random = Random(1);
    for &op in Op::ALL {
        assert_eq!(Op::from_u8(op as u8), Some(op));
        let mut decoded = 0;
        for round in 0..4000u32 {
            // Few bits at first, so that opcodes with unused ones get their turn.
            let operands = match round {
                0 => 0,
                1..1000 => (random.next() as u32) & 0x0101_0101,
                1000..2000 => (random.next() as u32) & 0x0000_ff00,
                2000..3000 => (random.next() as u32) & 0x00ff_ff00,
                _ => random.next() as u32,
            };
            let word = operands & !0xff | op as u32;
            if let Ok(instr) = Instr::decode(word) {
                decoded += 1;
                assert_eq!(instr.op(), op);
                assert_eq!(instr.encode(), word, "{instr:?}");
                assert_eq!(Instr::decode(instr.encode()), Ok(instr));
            }
        }
        assert!(decoded > 0, "{op:?} never decodes");
    }
    for byte in Op::ALL.len()..256 {
        assert_eq!(Op::from_u8(byte as u8), None);
        assert!(Instr::decode(byte as u32).is_err());
    }
}

#[test]
fn operands_keep_their_sign() {
    use weft::op::{Jump16, Jump24, Reg, word};
    let jump = Instr::Loop {
        to: Jump24(-(1 << 23)),
    };
    assert_eq!(word::ax(jump.encode()), -(1 << 23));
    assert_eq!(Instr::decode(jump.encode()), Ok(jump));
    let int = Instr::LoadInt {
        dst: Reg(249),
        value: -1,
    };
    assert_eq!((word::a(int.encode()), word::sbx(int.encode())), (249, -1));
    let range = Instr::ForRange {
        base: Reg(3),
        body: Jump16(i16::MIN),
    };
    assert_eq!(word::sbx(range.encode()), i16::MIN);
    let add = Instr::AddInt {
        dst: Reg(1),
        lhs: Reg(2),
        value: 255,
    };
    let encoded = add.encode();
    assert_eq!(
        (word::op(encoded), word::b(encoded), word::c(encoded)),
        (Op::AddInt as u8, 2, 255)
    );
    assert_eq!(word::bx(encoded), 0xff02);
}

const TOKENS: &[&str] = &[
    "fn ",
    "const ",
    "let ",
    "if ",
    "else ",
    "while ",
    "for ",
    "in ",
    "return ",
    "break ",
    "continue ",
    "spawn ",
    "region ",
    "task ",
    "select {",
    "recv(",
    "send(",
    "after(",
    "..",
    "nil ",
    "true ",
    "false ",
    "and ",
    "or ",
    "not ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "..",
    "\n",
    "\n",
    "\n",
    "x ",
    "y ",
    "main ",
    "print ",
    "f ",
    "1 ",
    "2.5 ",
    "\"s\"",
    "\"",
    "//",
    "@",
    "é",
    "\\",
    "0x ",
    "99999999999999999999 ",
    "\nfn f() {\n",
    "let x = ",
    "f(x)",
];

#[test]
fn token_soup() {
    let mut random = Random(0x5eed);
    for round in 0..4000 {
        let mut source = String::new();
        if round % 2 == 0 {
            source.push_str("fn f(x) {\nlet y = x\n");
        }
        for _ in 0..random.below(60) {
            source.push_str(random.pick(TOKENS));
        }
        if round % 2 == 0 {
            source.push_str("\n}\nfn main() {}\n");
        }
        compiles(&source);
    }
}

#[test]
fn a_megabyte_of_anything() {
    const SIZE: usize = 1 << 20;
    let mut random = Random(7);
    let bytes: Vec<u8> = (0..SIZE).map(|_| random.next() as u8).collect();
    assert!(!compiles(&String::from_utf8_lossy(&bytes)));
    let mut soup = String::new();
    while soup.len() < SIZE {
        soup.push_str(random.pick(TOKENS));
    }
    assert!(!compiles(&soup));
    for part in [
        "(",
        "[",
        "{",
        "}",
        "\"",
        "\\",
        "é",
        "-",
        "not ",
        "1+",
        "x",
        "a.",
        "if x {",
        "else ",
        "f(",
        "spawn ",
        "fn f() {\n",
        "fn f(",
        "region \"r\" {",
        "task \"t\" {",
        "select {",
        "select { recv(x) {",
        "select { else {",
        "x[",
        "x[1..",
        "f()",
        "\n",
        "@ ",
        "let x = ",
        ",",
        "const A = 1\n",
        "1..",
        "0",
        "\u{0}",
    ] {
        let source = part.repeat(SIZE / 16 / part.len());
        assert!(!compiles(&source), "{part}");
        assert!(!compiles(&format!("fn main() {{ x = {source}")), "{part}");
    }
    // Constants much longer than what they are written as.
    let joined: String = (0..5000).map(|i| format!("const B{i}=A+A\n")).collect();
    let half = "é".repeat(1024);
    assert!(compiles(&format!(
        "const A = \"{half}\"\n{joined}fn main() {{}}"
    )));
    // Long, but right.
    assert!(compiles(&format!(
        "fn main() {{\n{}}}",
        "print(1, \"é\")\n".repeat(SIZE / 16)
    )));
    assert!(compiles(&format!(
        "fn main() {{ print(\"{}\") }}",
        "é".repeat(SIZE / 2)
    )));
}

/// Writes random programs that are right.
struct Writer {
    random: Random,
    source: String,
    variables: Vec<String>,
    loops: usize,
    depth: usize,
}

impl Writer {
    fn block(&mut self) {
        self.source.push_str(" {\n");
        let known = self.variables.len();
        self.depth += 1;
        for _ in 0..2 + self.random.below(4) {
            self.statement();
        }
        self.depth -= 1;
        self.variables.truncate(known);
        self.source.push('}');
    }

    fn text(&mut self, text: &str) {
        self.source.push_str(text);
    }

    fn variable(&mut self) -> String {
        self.variables[self.random.below(self.variables.len())].clone()
    }

    fn select(&mut self) {
        self.text("select {\n");
        let arms = 1 + self.random.below(3);
        // An `else` comes alone, an `after` not beside it.
        let last = self.random.below(3);
        for i in 0..arms {
            let known = self.variables.len();
            match self.random.below(4) {
                _ if i + 1 == arms && last == 0 => self.text("else"),
                0 if last != 0 => {
                    self.text("after(");
                    self.expr(1);
                    self.text(")");
                }
                0 | 1 => {
                    self.text("send(");
                    self.expr(1);
                    self.text(", ");
                    self.expr(1);
                    self.text(")");
                }
                other => {
                    let name = format!("r{}", self.random.below(30));
                    if other == 2 {
                        self.text(&format!("{name} = "));
                    }
                    self.text("recv(");
                    self.expr(1);
                    self.text(")");
                    if other == 2 {
                        self.variables.push(name);
                    }
                }
            }
            self.block();
            self.variables.truncate(known);
            self.text("\n");
        }
        self.text("}");
    }

    fn statement(&mut self) {
        let choices = if self.depth < 6 { 15 } else { 6 };
        match self.random.below(choices) {
            0 | 1 => {
                let name = format!("v{}", self.random.below(30));
                self.text(&format!("let {name} = "));
                self.expr(0);
                self.variables.push(name);
            }
            2 => {
                let name = self.variable();
                self.text(&format!("{name} = "));
                self.expr(0);
            }
            3 => self.expr(0),
            4 if self.loops == 0 => self.expr(0),
            4 => {
                let word = self.random.pick(&["break", "continue"]);
                self.text(word);
            }
            5 => {
                let name = self.variable();
                self.text(&format!("{name}[1] = "));
                self.expr(0);
            }
            6 => {
                self.text("return ");
                self.expr(0);
            }
            7 | 8 => {
                self.text("if ");
                self.expr(0);
                self.block();
                if self.random.below(2) == 0 {
                    self.text(" else");
                    self.block();
                }
            }
            9 => {
                self.text("while ");
                self.expr(0);
                self.loop_body();
            }
            10 | 11 => {
                let name = format!("i{}", self.random.below(30));
                self.text(&format!("for {name} in "));
                self.expr(1);
                if self.random.below(2) == 0 {
                    self.text("..");
                    self.expr(1);
                }
                self.variables.push(name);
                self.loop_body();
                self.variables.pop();
            }
            12 => self.select(),
            other => {
                self.text(if other == 13 { "region " } else { "task " });
                self.expr(0);
                self.block();
            }
        }
        self.text("\n");
    }

    fn loop_body(&mut self) {
        self.loops += 1;
        self.block();
        self.loops -= 1;
    }

    fn expr(&mut self, depth: usize) {
        let choices = if depth < 4 { 14 } else { 4 };
        match self.random.below(choices) {
            0 => {
                let literal = self
                    .random
                    .pick(&["nil", "true", "1", "-70000", "2.5", "\"s\"", "f"]);
                self.text(literal);
            }
            1..=3 => {
                let name = self.variable();
                self.text(&name);
            }
            4..=6 => {
                let op = self
                    .random
                    .pick(&["+", "-", "*", "==", "<", ">=", "!=", "and", "or"]);
                self.text("(");
                self.expr(depth + 1);
                self.text(&format!(" {op} "));
                self.expr(depth + 1);
                self.text(")");
            }
            7 => {
                self.text("not ");
                self.expr(depth + 1);
            }
            choice => {
                let (open, count) = match choice {
                    8 => ("f(", 2),
                    9 => ("spawn f(", 2),
                    10 => ("recv(", 1),
                    11 => ("send(", 2),
                    12 => ("[", self.random.below(if depth == 0 { 40 } else { 4 })),
                    _ => ("(a)(", self.random.below(3)),
                };
                self.text(open);
                for _ in 0..count {
                    self.expr(depth + 2);
                    self.text(", ");
                }
                self.text(if open == "[" { "]" } else { ")" });
            }
        }
    }
}

#[test]
fn random_programs_keep_the_promises() {
    let mut written = 0;
    for seed in 1..=150 {
        let mut writer = Writer {
            random: Random(seed * 0x9e37_79b9),
            source: "fn f(a, b)".to_owned(),
            variables: vec!["a".to_owned(), "b".to_owned()],
            loops: 0,
            depth: 0,
        };
        writer.block();
        let source = writer.source + "\nfn main() { print(f(1, 2)) }\n";
        written += source.len();
        if let Err(errors) = weft::compile("random.weft", &source) {
            panic!("{errors}\n{source}");
        }
        assert!(compiles(&source));
    }
    assert!(
        written > 100_000,
        "the programs are too small to show anything: {written} bytes"
    );
}
