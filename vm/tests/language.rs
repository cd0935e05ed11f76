//! The examples of the language's description do what stands beside them.
//!
//! A block fenced as `weft` is a program, or the inside of `main` if it has no
//! `fn main`. `// expect:` in any of its lines is a line of its output, in this
//! order; `// error:` is part of what it says on stderr.

mod support;

use support::{How, run};

const DESCRIPTION: &str = include_str!("../../docs/language.md");

struct Example {
    /// Where it begins in the description.
    line: usize,
    source: String,
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    let mut open: Option<Example> = None;
    for (i, line) in DESCRIPTION.lines().enumerate() {
        match &mut open {
            None if line == "```weft" => {
                open = Some(Example {
                    line: i + 1,
                    source: String::new(),
                });
            }
            None => {}
            Some(_) if line == "```" => examples.extend(open.take()),
            Some(example) => {
                example.source.push_str(line);
                example.source.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block without an end");
    examples
}

impl Example {
    fn notes(&self, key: &str) -> Vec<&str> {
        let start = format!("// {key}: ");
        self.source
            .lines()
            .filter_map(|line| line.split_once(&start))
            .map(|(_, note)| note)
            .collect()
    }

    fn program(&self) -> String {
        if self.source.contains("fn main(") {
            self.source.clone()
        } else {
            format!("fn main() {{\n{}}}\n", self.source)
        }
    }
}

#[test]
fn examples_do_what_stands_beside_them() {
    let examples = examples();
    assert!(examples.len() > 25, "only {} examples", examples.len());
    let mut failures = String::new();
    for example in &examples {
        let (expect, errors) = (example.notes("expect"), example.notes("error"));
        assert!(
            expect.len() + errors.len() > 0,
            "the example in line {} shows nothing",
            example.line
        );
        for workers in [1, 8] {
            let ran = run("example.weft", &example.program(), How::workers(workers));
            let output: Vec<&str> = ran.output.lines().collect();
            let as_said = output == expect
                && errors.iter().all(|error| ran.message.contains(error))
                && errors.is_empty() == (ran.status == 0);
            if !as_said {
                failures += &format!(
                    "line {}, {workers} workers: status {}\n{}{}\n",
                    example.line, ran.status, ran.output, ran.message
                );
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
