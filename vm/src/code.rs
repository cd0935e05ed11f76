//! The program as the interpreter runs it: instructions taken apart once, and
//! the numbers by which a trace names places in it.
//!
//! A trace knows a place as a program counter that stands for one function,
//! file and line. Ours is the function's number plus one in the upper half and,
//! in the lower, the first instruction that comes from the same line, so that
//! all instructions of a line share one stack in the trace. What a task does
//! when it blocks or wakes another ([`Operation`]) is a frame of its own above
//! that, as if it were a function called there, so that profiles tell waiting
//! in `recv` from waiting in `join`; its PC is its number alone.

use std::sync::Arc;

use weft::op::{DecodeError, Instr};
use weft::{Const, LineTable, Position, Program};

use crate::value::Value;

/// A program, ready to run.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) file: String,
    functions: Box<[Function]>,
    pub(crate) strings: Box<[Arc<str>]>,
    pub(crate) main: u32,
}

/// A function, ready to run.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: Box<str>,
    pub(crate) arity: u8,
    pub(crate) registers: u16,
    pub(crate) code: Box<[Instr]>,
    pub(crate) consts: Box<[Constant]>,
    lines: LineTable,
    position: Position,
    /// For each instruction, the first one of the same line.
    first_of_line: Box<[u32]>,
}

/// A constant as `LoadConst` needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Constant {
    /// It is the same in every heap.
    Value(Value),
    /// It becomes an object where it is loaded.
    Int(i64),
    Float(f64),
}

/// The lower half of the PC that stands for a function's declaration.
const ENTRY: usize = u32::MAX as usize;

const _: () = assert!(
    usize::BITS == 64,
    "a trace PC holds a function and an instruction"
);

impl Code {
    /// Takes a program apart.
    ///
    /// # Errors
    /// If a word is no instruction, which no compiled program has.
    pub(crate) fn new(program: &Program) -> Result<Code, DecodeError> {
        let functions = program
            .functions
            .iter()
            .map(Function::new)
            .collect::<Result<_, _>>()?;
        Ok(Code {
            file: program.file.clone(),
            functions,
            strings: program.strings.iter().map(|s| Arc::from(&**s)).collect(),
            main: program.main.0,
        })
    }

    #[inline]
    pub(crate) fn function(&self, id: u32) -> &Function {
        &self.functions[id as usize]
    }

    /// Where the instruction at `pc` of a function comes from.
    pub(crate) fn position(&self, function: u32, pc: u32) -> Position {
        self.function(function).lines.position(pc as usize)
    }

    /// The PC by which a trace names the instruction at `pc`.
    pub(crate) fn trace_pc(&self, function: u32, pc: u32) -> usize {
        let line = self
            .function(function)
            .first_of_line
            .get(pc as usize)
            .copied()
            .unwrap_or(0);
        (function as usize + 1) << 32 | line as usize
    }

    /// The PC by which a trace names a function as the start of a task.
    pub(crate) fn entry_pc(&self, function: u32) -> usize {
        (function as usize + 1) << 32 | ENTRY
    }

    /// What the instruction at `pc` does to tasks, if it is more than running.
    pub(crate) fn operation(&self, function: u32, pc: u32) -> Option<Operation> {
        Operation::of(self.function(function).code.get(pc as usize)?)
    }

    /// The place that a PC from the functions above and below names.
    pub(crate) fn resolve(&self, pc: usize) -> Option<Place<'_>> {
        let Some(function) = (pc >> 32).checked_sub(1) else {
            let operation = Operation::ALL.get(pc.checked_sub(1)?)?;
            return Some(Place {
                function: operation.name(),
                file: "(built in)",
                line: 1,
            });
        };
        let function = self.functions.get(function)?;
        let position = match pc & ENTRY {
            ENTRY => function.position,
            pc => function.lines.position(pc),
        };
        Some(Place {
            function: &function.name,
            file: &self.file,
            line: position.line,
        })
    }
}

/// What a PC in a trace stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'c> {
    pub(crate) function: &'c str,
    pub(crate) file: &'c str,
    pub(crate) line: u32,
}

/// What a task does that concerns other tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Send,
    Recv,
    Join,
    Sleep,
    Yield,
    Close,
    ReadFile,
    Select,
}

impl Operation {
    const ALL: [Operation; 8] = [
        Operation::Send,
        Operation::Recv,
        Operation::Join,
        Operation::Sleep,
        Operation::Yield,
        Operation::Close,
        Operation::ReadFile,
        Operation::Select,
    ];

    fn of(instr: &Instr) -> Option<Operation> {
        Some(match instr {
            Instr::Send { .. } => Operation::Send,
            Instr::Recv { .. } | Instr::ForNext { .. } => Operation::Recv,
            Instr::Join { .. } => Operation::Join,
            Instr::Sleep { .. } => Operation::Sleep,
            Instr::Yield { .. } => Operation::Yield,
            Instr::Close { .. } => Operation::Close,
            Instr::ReadFile { .. } => Operation::ReadFile,
            Instr::Select { .. } | Instr::ArmSend { .. } => Operation::Select,
            _ => return None,
        })
    }

    /// The PC by which a trace names it.
    pub(crate) fn trace_pc(self) -> usize {
        1 + self as usize
    }

    fn name(self) -> &'static str {
        match self {
            Operation::Send => "send",
            Operation::Recv => "recv",
            Operation::Join => "join",
            Operation::Sleep => "sleep",
            Operation::Yield => "yield",
            Operation::Close => "close",
            Operation::ReadFile => "read_file",
            Operation::Select => "select",
        }
    }
}

impl Function {
    fn new(function: &weft::Function) -> Result<Function, DecodeError> {
        let code: Box<[Instr]> = function
            .code
            .iter()
            .map(|&word| Instr::decode(word))
            .collect::<Result<_, _>>()?;
        let mut firsts = std::collections::HashMap::new();
        let first_of_line = (0..code.len())
            .map(|pc| {
                *firsts
                    .entry(function.lines.position(pc).line)
                    .or_insert(pc as u32)
            })
            .collect();
        Ok(Function {
            name: function.name.clone(),
            arity: function.arity,
            registers: function.registers,
            code,
            consts: function.consts.iter().map(|&c| Constant::new(c)).collect(),
            lines: function.lines.clone(),
            position: function.position,
            first_of_line,
        })
    }
}

impl Constant {
    fn new(constant: Const) -> Constant {
        match constant {
            Const::Int(i) => Value::small_int(i).map_or(Constant::Int(i), Constant::Value),
            Const::Float(f) => Value::near_float(f).map_or(Constant::Float(f), Constant::Value),
            Const::Str(index) => Constant::Value(Value::const_str(index)),
            Const::Func(id) => Constant::Value(Value::func(id)),
        }
    }
}
