//! What the compiler hands over: functions with code, constants and
//! positions, and the printer of all that.

use std::fmt;

use crate::op::{ConstIndex, FuncIndex, Instr};

/// The most registers a frame has; bytes above it are never registers.
pub const MAX_REGISTERS: u16 = 250;

/// The most parameters of a function, and arguments of a call.
pub const MAX_ARGUMENTS: u8 = 200;

/// A place in the source. Both numbers start at 1; 0 in both is "unknown".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// An index into [`Program::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FuncId(pub u32);

/// A compiled program. Nothing in it changes any more, so tasks on any worker
/// may share it.
///
/// A program from [`compile`](crate::compile) keeps these promises, on which
/// an interpreter may rely: every word decodes; every register is below its
/// function's `registers`; every index and jump target exists; `CallFn` has
/// as many arguments as the callee has parameters; the last instruction of a
/// function is a return.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The file's name as it stands in positions.
    pub file: String,
    /// All functions, in the order of their declarations.
    pub functions: Vec<Function>,
    /// The strings that constants refer to, each once.
    pub strings: Vec<Box<str>>,
    /// The function `main`, which has no parameters.
    pub main: FuncId,
}

/// One function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its declared name.
    pub name: Box<str>,
    /// How many parameters it has: registers 0 up to, without, `arity`.
    pub arity: u8,
    /// How many registers its frame has, parameters included.
    pub registers: u16,
    /// The instructions; see [`op`](crate::op).
    pub code: Vec<u32>,
    /// What `LoadConst` loads, each once.
    pub consts: Vec<Const>,
    /// Where each instruction comes from.
    pub lines: LineTable,
    /// Where its name is declared.
    pub position: Position,
}

/// A constant of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Const {
    /// An integer that does not fit a `LoadInt`.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string: an index into [`Program::strings`].
    Str(u32),
    /// A function as a value.
    Func(FuncId),
}

/// Maps instructions to positions: runs of instructions from the same place,
/// in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineTable {
    runs: Vec<(u32, Position)>,
}

impl LineTable {
    /// Notes that the instructions from `pc` on come from `position`. `pc`
    /// never goes back.
    pub(crate) fn add(&mut self, pc: usize, position: Position) {
        if self.runs.last().is_none_or(|&(_, last)| last != position) {
            self.runs.push((pc as u32, position));
        }
    }

    /// Where the instruction at `pc` comes from. For a frame that waits for a
    /// call to return, that is the call's `pc`, not the one after it. A `pc`
    /// beyond the code has the last instruction's position.
    pub fn position(&self, pc: usize) -> Position {
        let after = self
            .runs
            .partition_point(|&(start, _)| start as usize <= pc);
        match after.checked_sub(1) {
            Some(run) => self.runs[run].1,
            None => Position::default(),
        }
    }
}

impl Program {
    /// The function of this ID.
    ///
    /// # Panics
    /// If the ID is not from this program.
    pub fn function(&self, id: FuncId) -> &Function {
        &self.functions[id.0 as usize]
    }

    /// A listing of all functions, one instruction a line.
    pub fn disassemble(&self) -> impl fmt::Display + '_ {
        Disassembly(self)
    }
}

struct Disassembly<'p>(&'p Program);

impl fmt::Display for Disassembly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, function) in self.0.functions.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            self.function(function, f)?;
        }
        Ok(())
    }
}

impl Disassembly<'_> {
    fn function(&self, function: &Function, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Function {
            name,
            arity,
            registers,
            position,
            ..
        } = function;
        let file = &self.0.file;
        writeln!(
            f,
            "fn {name}/{arity}, {registers} registers, at {file}:{position}"
        )?;
        for (pc, &word) in function.code.iter().enumerate() {
            // Through strings, since only these obey a width.
            let at = function.lines.position(pc).to_string();
            let text = Line {
                program: self,
                function,
                pc,
                word,
            }
            .to_string();
            writeln!(f, "{pc:>5}  {at:<7} {}", text.trim_end())?;
        }
        Ok(())
    }

    fn constant(&self, constant: Const, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match constant {
            Const::Int(value) => write!(f, "{value}"),
            Const::Float(value) => write!(f, "{value:?}"),
            Const::Str(index) => match self.0.strings.get(index as usize) {
                Some(text) => write!(f, "{text:?}"),
                None => write!(f, "no string {index}"),
            },
            Const::Func(id) => self.name(id.0, f),
        }
    }

    fn name(&self, id: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.functions.get(id as usize) {
            Some(function) => write!(f, "fn {}", function.name),
            None => write!(f, "no function {id}"),
        }
    }
}

/// One instruction with what its index operand stands for.
struct Line<'d> {
    program: &'d Disassembly<'d>,
    function: &'d Function,
    pc: usize,
    word: u32,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instr = match Instr::decode(self.word) {
            Ok(instr) => instr,
            Err(error) => return write!(f, "? {error}"),
        };
        instr.write(self.pc, f)?;
        match instr {
            Instr::LoadConst {
                constant: ConstIndex(index),
                ..
            } => {
                f.write_str("  ; ")?;
                match self.function.consts.get(usize::from(index)) {
                    Some(&constant) => self.program.constant(constant, f),
                    None => write!(f, "no constant {index}"),
                }
            }
            Instr::CallFn {
                function: FuncIndex(index),
                ..
            } => {
                f.write_str("  ; ")?;
                self.program.name(u32::from(index), f)
            }
            _ => Ok(()),
        }
    }
}
