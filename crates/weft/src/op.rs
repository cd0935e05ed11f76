//! The instruction set: one documented row per opcode, from which the
//! enumeration, the encoder, the decoder and the printer are generated, so
//! that they cannot disagree. (The idea of one table for all of them is that
//! of wasmtime's `pulley` and of wren's opcode list.)
//!
//! An instruction is one 32-bit word with the opcode in its low byte:
//!
//! ```text
//!  bits   0..8   8..16   16..24   24..32
//!         op     a       b        c         three registers or small numbers
//!         op     a       bx ------------    a 16-bit index or signed number
//!         op     ax --------------------    a signed 24-bit jump
//! ```
//!
//! **Registers** are those of the running frame, `r0` and up; parameters come
//! first. Code never reads a register that it has not written. Operands are
//! read before the result is written, so both may be the same register.
//!
//! **Jumps** are relative to the instruction after the jump. Only `Loop` and
//! `ForRange` go backwards.
//!
//! **Calls** find their arguments where the callee wants its parameters: the
//! callee's `r0` is the caller's `base + 1`, and its result goes to the
//! caller's `base`. Registers above the last argument are free at a call.
//!
//! **Safepoints** are calls, spawns and the backward jumps: there a VM counts
//! its preemption budget, and it may stop the task after the jump or the call
//! has taken effect.
//!
//! **Blocking** instructions (`Send`, `Recv`, `Join`, `ForNext`, `Select`) change
//! nothing before they succeed. A VM may therefore suspend the task with the
//! program counter at the instruction and run it again after a wake-up; or a
//! waker may do the instruction's work for it, write the register named in
//! its row, and let the task go on with the next instruction. `Sleep`,
//! `Yield` and `ReadFile` are not repeated: the task goes on after them.

use std::fmt;

use crate::builtin::Builtin;

/// A register of the running frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reg(pub u8);

/// An index into [`Function::consts`](crate::Function::consts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConstIndex(pub u16);

/// An index into [`Program::functions`](crate::Program::functions), as far as it fits an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FuncIndex(pub u16);

/// A 16-bit jump, in instructions, relative to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Jump16(pub i16);

/// A 24-bit jump, in instructions, relative to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Jump24(pub i32);

impl Jump24 {
    /// The longest jump forwards; backwards one more.
    pub const MAX: i32 = (1 << 23) - 1;
}

/// Why a word is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The low byte is no opcode.
    Opcode(u8),
    /// An operand has a value that its opcode does not know, or an unused bit is set.
    Operand(Op, u32),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Opcode(byte) => write!(f, "{byte:#04x} is not an opcode"),
            DecodeError::Operand(op, word) => {
                write!(f, "bad operand of {} in {word:#010x}", op.mnemonic())
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// What an operand needs for being packed, unpacked and printed. `raw` has
/// the operand's bits at the low end.
trait Operand: Sized + Copy {
    fn from_raw(raw: u32) -> Option<Self>;
    fn to_raw(self) -> u32;
    fn show(self, next_pc: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

macro_rules! operand {
    ($ty:ty, |$raw:ident| $from:expr, |$value:ident| $to:expr, |$pc:ident| $format:literal, $($arg:expr),*) => {
        impl Operand for $ty {
            fn from_raw($raw: u32) -> Option<Self> { $from }
            fn to_raw(self) -> u32 { let $value = self; $to }
            fn show(self, $pc: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $value = self;
                write!(f, $format, $($arg),*)
            }
        }
    };
}

operand!(
    Reg,
    |raw| Some(Reg(raw as u8)),
    |v| u32::from(v.0),
    |_pc| "r{}",
    v.0
);
operand!(
    ConstIndex,
    |raw| Some(ConstIndex(raw as u16)),
    |v| u32::from(v.0),
    |_pc| "k{}",
    v.0
);
operand!(
    FuncIndex,
    |raw| Some(FuncIndex(raw as u16)),
    |v| u32::from(v.0),
    |_pc| "f{}",
    v.0
);
operand!(u8, |raw| Some(raw as u8), |v| u32::from(v), |_pc| "{}", v);
operand!(
    i16,
    |raw| Some(raw as u16 as i16),
    |v| u32::from(v as u16),
    |_pc| "{}",
    v
);
operand!(
    bool,
    |raw| if raw < 2 { Some(raw == 1) } else { None },
    |v| u32::from(v),
    |_pc| "{}",
    v
);
operand!(
    Builtin,
    |raw| Builtin::from_u8(raw as u8),
    |v| v as u32,
    |_pc| "{}",
    v.name()
);
operand!(
    Jump16,
    |raw| Some(Jump16(raw as u16 as i16)),
    |v| u32::from(v.0 as u16),
    |next| "-> {}",
    next as i64 + i64::from(v.0)
);
operand!(
    Jump24,
    |raw| Some(Jump24(((raw << 8) as i32) >> 8)),
    |v| v.0 as u32,
    |next| "-> {}",
    next as i64 + i64::from(v.0)
);

/// Where an operand sits in a word: first bit and mask of its width.
mod slot {
    pub(super) const A: (u32, u32) = (8, 0xff);
    pub(super) const B: (u32, u32) = (16, 0xff);
    pub(super) const C: (u32, u32) = (24, 0xff);
    pub(super) const BX: (u32, u32) = (16, 0xffff);
    pub(super) const AX: (u32, u32) = (8, 0xff_ffff);
}

/// The properties of an opcode, in the third column of its row.
mod is {
    /// Can do nothing but take effect.
    pub(super) const PLAIN: u8 = 0;
    /// Can end in a runtime error.
    pub(super) const FALLIBLE: u8 = 1;
    /// Can suspend the task until another one or the clock wakes it.
    pub(super) const BLOCKING: u8 = 2;
    /// Counts against the preemption budget.
    pub(super) const SAFEPOINT: u8 = 4;
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $props:expr, ($($field:ident: $ty:ty = $slot:ident),*);)*) => {
        /// An opcode: the low byte of every instruction.
        ///
        /// The operands of each are the fields of the [`Instr`] of the same
        /// name; `R[x]` is the register that operand `x` names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Op { $($(#[$doc])* $name),* }

        impl Op {
            /// Every opcode, in the order of their numbers.
            pub const ALL: &[Op] = &[$(Op::$name),*];

            /// The name in a disassembly.
            pub const fn mnemonic(self) -> &'static str {
                match self { $(Op::$name => $text),* }
            }

            const fn properties(self) -> u8 {
                match self { $(Op::$name => $props),* }
            }
        }

        /// An instruction taken apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Instr {
            $($(#[$doc])* $name {
                $(#[doc = concat!("In bits `", stringify!($slot), "` of the word.")] $field: $ty),*
            }),*
        }

        impl Instr {
            /// The opcode.
            pub const fn op(self) -> Op {
                match self { $(Instr::$name { .. } => Op::$name),* }
            }

            /// The word. A [`Jump24`] out of range loses its upper bits, so
            /// whoever makes one checks it against [`Jump24::MAX`].
            pub fn encode(self) -> u32 {
                match self {
                    $(Instr::$name { $($field),* } => {
                        Op::$name as u32 $(| (($field.to_raw() & slot::$slot.1) << slot::$slot.0))*
                    })*
                }
            }

            /// The instruction in a word.
            ///
            /// # Errors
            /// If the opcode or an operand is unknown, or an unused bit is
            /// set: a word that decodes encodes to itself.
            pub fn decode(word: u32) -> Result<Instr, DecodeError> {
                let op = Op::from_u8(word as u8).ok_or(DecodeError::Opcode(word as u8))?;
                let bad = DecodeError::Operand(op, word);
                let instr = match op {
                    $(Op::$name => Instr::$name {
                        $($field: <$ty as Operand>::from_raw((word >> slot::$slot.0) & slot::$slot.1).ok_or(bad)?),*
                    }),*
                };
                if instr.encode() == word { Ok(instr) } else { Err(bad) }
            }

            /// Writes mnemonic and operands as in a disassembly; `pc` is where
            /// the instruction stands and turns jumps into targets.
            pub fn write(self, pc: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Instr::$name { $($field),* } => {
                        let operands: &[&dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result] =
                            &[$(&|f| Operand::show($field, pc + 1, f)),*];
                        write_operands($text, operands, f)
                    })*
                }
            }
        }
    };
}

fn write_operands(
    mnemonic: &str,
    operands: &[&dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if operands.is_empty() {
        return f.write_str(mnemonic);
    }
    write!(f, "{mnemonic:<14}")?;
    for (i, operand) in operands.iter().enumerate() {
        f.write_str(if i == 0 { " " } else { ", " })?;
        operand(f)?;
    }
    Ok(())
}

ops! {
    // Loads and moves.

    /// `R[dst] = R[src]`.
    Move = "move", is::PLAIN, (dst: Reg = A, src: Reg = B);
    /// `R[dst]` = a constant of the function.
    LoadConst = "const", is::PLAIN, (dst: Reg = A, constant: ConstIndex = BX);
    /// `R[dst]` = a small integer.
    LoadInt = "int", is::PLAIN, (dst: Reg = A, value: i16 = BX);
    /// `R[dst] = nil`.
    LoadNil = "nil", is::PLAIN, (dst: Reg = A);
    /// `R[dst] = true`.
    LoadTrue = "true", is::PLAIN, (dst: Reg = A);
    /// `R[dst] = false`.
    LoadFalse = "false", is::PLAIN, (dst: Reg = A);

    // Arithmetic.

    /// `R[dst] = R[lhs] + R[rhs]`: numbers, or two strings joined. Fails on overflow and other types.
    Add = "add", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] - R[rhs]`. Fails on overflow and other types than numbers.
    Sub = "sub", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] * R[rhs]`. Fails on overflow and other types than numbers.
    Mul = "mul", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] / R[rhs]`; two integers truncate toward zero. Fails on an integer
    /// division by zero, overflow and other types than numbers.
    Div = "div", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] % R[rhs]`, the remainder that belongs to `Div`; of the smallest integer and
    /// -1 it is 0. Fails on an integer division by zero and other types than numbers.
    Rem = "rem", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] + value`, `value` in 0..=255. Fails like `Add`.
    AddInt = "add_int", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, value: u8 = C);
    /// `R[dst] = R[lhs] - value`, `value` in 0..=255. Fails like `Sub`.
    SubInt = "sub_int", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, value: u8 = C);
    /// `R[dst] = -R[src]`. Fails on overflow and other types than numbers.
    Neg = "neg", is::FALLIBLE, (dst: Reg = A, src: Reg = B);

    // Logic and comparison. Only nil and false are false.

    /// `R[dst]` = whether `R[src]` is false.
    Not = "not", is::PLAIN, (dst: Reg = A, src: Reg = B);
    /// `R[dst] = R[lhs] == R[rhs]`: any types, lists by content.
    Eq = "eq", is::PLAIN, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] != R[rhs]`.
    Ne = "ne", is::PLAIN, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] < R[rhs]`: two numbers or two strings; `>` swaps them. Fails on other types.
    Lt = "lt", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);
    /// `R[dst] = R[lhs] <= R[rhs]`: two numbers or two strings; `>=` swaps them. Fails on other types.
    Le = "le", is::FALLIBLE, (dst: Reg = A, lhs: Reg = B, rhs: Reg = C);

    // Jumps.

    /// Goes to `to`, always forwards.
    Jump = "jump", is::PLAIN, (to: Jump24 = AX);
    /// Goes to `to`, forwards, if `R[cond]` is true.
    JumpIf = "jump_if", is::PLAIN, (cond: Reg = A, to: Jump16 = BX);
    /// Goes to `to`, forwards, if `R[cond]` is false.
    JumpIfNot = "jump_if_not", is::PLAIN, (cond: Reg = A, to: Jump16 = BX);
    /// If `(R[lhs] == R[rhs]) == skip_if`, skips the next instruction, which is always a `Jump`.
    TestEq = "test_eq", is::PLAIN, (lhs: Reg = A, rhs: Reg = B, skip_if: bool = C);
    /// If `(R[lhs] < R[rhs]) == skip_if`, skips the next instruction, which is always a `Jump`.
    /// Fails like `Lt`.
    TestLt = "test_lt", is::FALLIBLE, (lhs: Reg = A, rhs: Reg = B, skip_if: bool = C);
    /// If `(R[lhs] <= R[rhs]) == skip_if`, skips the next instruction, which is always a `Jump`.
    /// Fails like `Le`.
    TestLe = "test_le", is::FALLIBLE, (lhs: Reg = A, rhs: Reg = B, skip_if: bool = C);
    /// Goes to `to`, always backwards: the end of a loop's body.
    Loop = "loop", is::SAFEPOINT, (to: Jump24 = AX);

    // Calls.

    /// Calls the function in `R[base]` with `argc` arguments in `R[base+1]` and up; the result goes
    /// to `R[base]`. Fails if it is no function, takes another number of arguments, or the stack is
    /// full.
    Call = "call", is::FALLIBLE | is::SAFEPOINT, (base: Reg = A, argc: u8 = B);
    /// Calls a function known at compile time, with its arity's number of arguments in `R[base+1]`
    /// and up; the result goes to `R[base]`, which holds nothing before. Fails if the stack is full.
    CallFn = "call_fn", is::FALLIBLE | is::SAFEPOINT, (base: Reg = A, function: FuncIndex = BX);
    /// Calls a builtin with `argc` arguments in `R[base]` and up; the result goes to `R[base]`.
    /// Fails as the builtin does; the number of arguments is right.
    CallBuiltin = "builtin", is::FALLIBLE, (base: Reg = A, builtin: Builtin = B, argc: u8 = C);
    /// Ends the function with `R[src]` as its result. All its regions and user tasks have ended.
    Return = "return", is::PLAIN, (src: Reg = A);
    /// Ends the function with nil as its result. All its regions and user tasks have ended.
    ReturnNil = "return_nil", is::PLAIN, ();

    // Lists.

    /// `R[dst]` = a new list of `count` elements from `R[base]` and up.
    NewList = "new_list", is::PLAIN, (dst: Reg = A, base: Reg = B, count: u8 = C);
    /// Appends `count` elements from `R[base]` and up to `R[list]`, which `NewList` has made.
    Extend = "extend", is::PLAIN, (list: Reg = A, base: Reg = B, count: u8 = C);
    /// `R[dst] = R[list][R[index]]`: an element of a list or a character of a string. Fails on
    /// other types and out of range.
    Index = "index", is::FALLIBLE, (dst: Reg = A, list: Reg = B, index: Reg = C);
    /// `R[dst]` = the elements of the list, or characters of the string, in `R[list]` from
    /// `R[bounds]` up to, without, `R[bounds+1]`: a new one. Fails on other types, and unless
    /// 0 <= from <= to <= length.
    Slice = "slice", is::FALLIBLE, (dst: Reg = A, list: Reg = B, bounds: Reg = C);
    /// `R[list][R[index]] = R[value]`. Fails on other types than a list and an integer, and out of range.
    SetIndex = "set_index", is::FALLIBLE, (list: Reg = A, index: Reg = B, value: Reg = C);

    // Loops over ranges, lists and channels. `R[base]` and `R[base+1]` are the loop's own,
    // `R[base+2]` is the loop variable, which the body may overwrite.

    /// Starts a loop over the integers from `R[base]` up to, without, `R[base+1]`: if there is one,
    /// `R[base+2] = R[base]`, otherwise goes to `exit`, forwards. Fails unless both are integers.
    ForRangePrep = "for_range_prep", is::FALLIBLE, (base: Reg = A, exit: Jump16 = BX);
    /// `R[base] += 1`, which cannot overflow; if it is still below `R[base+1]`,
    /// `R[base+2] = R[base]` and goes to `body`, backwards.
    ForRange = "for_range", is::SAFEPOINT, (base: Reg = A, body: Jump16 = BX);
    /// Starts a loop over the list or channel in `R[base]`: `R[base+1] = 0`, the index of the next
    /// element. Fails on other types.
    ForPrep = "for_prep", is::FALLIBLE, (base: Reg = A);
    /// The next element of the loop. List: if `R[base+1]` is below its length now, the element goes
    /// to `R[base+2]` and `R[base+1] += 1`; otherwise goes to `exit`, forwards. Channel: receives
    /// into `R[base+2]`, blocking while there is nothing; once it is closed and empty, goes to
    /// `exit`. A waker delivers to `R[base+2]`; after a close the instruction runs again.
    ForNext = "for_next", is::BLOCKING, (base: Reg = A, exit: Jump16 = BX);

    // Tasks and channels.

    /// Starts a task that calls the function in `R[base]` with copies of the `argc` arguments in
    /// `R[base+1]` and up; its handle goes to `R[base]`. Fails like `Call`.
    Spawn = "spawn", is::FALLIBLE | is::SAFEPOINT, (base: Reg = A, argc: u8 = B);
    /// Sends a copy of `R[value]` on `R[channel]`, blocking while there is no room. Fails on other
    /// types, and if the channel is closed, also while blocked. There is no result.
    Send = "send", is::FALLIBLE | is::BLOCKING, (channel: Reg = A, value: Reg = B);
    /// Receives from `R[channel]` into `R[dst]`, blocking while there is nothing; nil once it is
    /// closed and empty. Fails on other types. A waker delivers to `R[dst]`.
    Recv = "recv", is::FALLIBLE | is::BLOCKING, (dst: Reg = A, channel: Reg = B);
    /// `R[dst]` = the result of the task in `R[handle]`, blocking until it has one. Fails on other
    /// types. A waker delivers to `R[dst]`.
    Join = "join", is::FALLIBLE | is::BLOCKING, (dst: Reg = A, handle: Reg = B);
    /// Closes `R[channel]` and wakes whoever waits on it. Fails on other types and the second time.
    Close = "close", is::FALLIBLE, (channel: Reg = A);
    /// Lets other tasks run; goes on after the instruction.
    Yield = "yield", is::BLOCKING, ();
    /// Suspends the task for `R[millis]` milliseconds; goes on after the instruction. Fails unless
    /// it is a number of at least 0.
    Sleep = "sleep", is::FALLIBLE | is::BLOCKING, (millis: Reg = A);

    /// `R[dst]` = the text of the file whose path is `R[path]`. The task may wait for the system
    /// meanwhile, but for no other task, and goes on after the instruction. Fails on other types
    /// than a string, and if the file cannot be read or is no UTF-8.
    ReadFile = "read_file", is::FALLIBLE | is::BLOCKING, (dst: Reg = A, path: Reg = B);

    // Waiting for several things at once. A `Select` is followed by its arms, each an instruction
    // and a `Jump` to the arm's body; it takes one that is ready, at random, and goes on at the
    // jump after it. Arms are never run themselves.

    /// Takes one of the `arms` arms that follow, blocking while none is ready; unless one is an
    /// `ArmElse`, which is then taken. Fails if an operand of an arm has the wrong type, with the
    /// program counter at that arm, or if an arm that is taken fails. A waker does an arm's work
    /// and lets the task go on at the jump after it; after a close the instruction runs again.
    Select = "select", is::FALLIBLE | is::BLOCKING, (arms: u8 = A);
    /// Receives as `Recv`.
    ArmRecv = "arm_recv", is::PLAIN, (dst: Reg = A, channel: Reg = B);
    /// Sends as `Send`. Ready, and failing, if the channel is closed.
    ArmSend = "arm_send", is::PLAIN, (channel: Reg = A, value: Reg = B);
    /// Is ready once the task has waited for `R[millis]` milliseconds in this `Select`.
    ArmAfter = "arm_after", is::PLAIN, (millis: Reg = A);
    /// Is taken if no other arm is ready.
    ArmElse = "arm_else", is::PLAIN, ();

    // Regions and user tasks of the trace. They nest within a function, and every way out ends them.

    /// Opens a region named by `R[name]`. Fails unless it is a string.
    RegionBegin = "region_begin", is::FALLIBLE, (name: Reg = A);
    /// Closes the innermost region that the function has opened.
    RegionEnd = "region_end", is::PLAIN, ();
    /// Begins a user task named by `R[name]`, inside the one that the task is in, if any. Fails
    /// unless it is a string.
    UserTaskBegin = "user_task", is::FALLIBLE, (name: Reg = A);
    /// Ends the innermost user task that the function has begun.
    UserTaskEnd = "user_task_end", is::PLAIN, ();
}

impl Op {
    /// The opcode of this number.
    #[inline]
    pub const fn from_u8(number: u8) -> Option<Op> {
        if (number as usize) < Op::ALL.len() {
            Some(Op::ALL[number as usize])
        } else {
            None
        }
    }

    /// Whether it can end in a runtime error.
    pub const fn can_fail(self) -> bool {
        self.properties() & is::FALLIBLE != 0
    }

    /// Whether it can suspend the task.
    pub const fn may_block(self) -> bool {
        self.properties() & is::BLOCKING != 0
    }

    /// Whether the preemption budget is counted here.
    pub const fn is_safepoint(self) -> bool {
        self.properties() & is::SAFEPOINT != 0
    }
}

/// The operands of an undecoded word, for an interpreter's inner loop. Which
/// of them mean anything depends on the opcode.
pub mod word {
    /// The low byte: the number of an [`Op`](super::Op).
    #[inline(always)]
    pub const fn op(word: u32) -> u8 {
        word as u8
    }

    /// Operand `a`.
    #[inline(always)]
    pub const fn a(word: u32) -> u8 {
        (word >> 8) as u8
    }

    /// Operand `b`.
    #[inline(always)]
    pub const fn b(word: u32) -> u8 {
        (word >> 16) as u8
    }

    /// Operand `c`.
    #[inline(always)]
    pub const fn c(word: u32) -> u8 {
        (word >> 24) as u8
    }

    /// Operand `bx` as an index.
    #[inline(always)]
    pub const fn bx(word: u32) -> u16 {
        (word >> 16) as u16
    }

    /// Operand `bx` as a signed number or jump.
    #[inline(always)]
    pub const fn sbx(word: u32) -> i16 {
        (word >> 16) as i16
    }

    /// Operand `ax`, a signed jump.
    #[inline(always)]
    pub const fn ax(word: u32) -> i32 {
        (word as i32) >> 8
    }
}
