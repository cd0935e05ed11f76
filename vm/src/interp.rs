//! The interpreter's loop: everything that a task can do by itself.
//!
//! It knows no other task, no worker and no trace. Whatever concerns them
//! (channels, tasks, files, output, regions, user tasks) it hands back as an
//! effect, with the frame's `pc` still at the instruction;
//! [`effects`](crate::sched::effects) carries it out and lets the task go on.

use std::sync::Arc;

use weft::builtin::Builtin;
use weft::op::{Instr, Reg};

use crate::builtins::{self, Env};
use crate::code::Constant;
use crate::equal::equal;
use crate::fault::Fault;
use crate::heap::{Heap, Strings, View};
use crate::number::{Arith, arith, negate, order};
use crate::task::{Body, Frame, MAX_STACK};
use crate::value::Value;

/// Why the loop stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The fuel is used up; the task can go on as it is.
    Fuel,
    /// The instruction, at the innermost frame's `pc`, concerns others.
    Effect(Instr),
    /// The task's function has returned this value.
    Finished(Value),
    /// The instruction at the innermost frame's `pc` failed.
    Fault(Fault),
}

/// Runs a task until something else has to be done. `fuel` is how many more
/// safepoints it may pass; it is at least 1.
pub(crate) fn execute(env: &Env<'_>, body: &mut Body, fuel: &mut u32) -> Stop {
    let code = env.code;
    let strings: &Strings = &code.strings;
    let Body {
        stack,
        frames,
        heap,
        ..
    } = body;
    let Some(&Frame { function, pc, base }) = frames.last() else {
        return Stop::Finished(Value::NIL);
    };
    let mut function = code.function(function);
    let mut pc = pc as usize;
    let mut base = base as usize;
    let mut r = &mut stack[base..base + usize::from(function.registers)];

    // Leaves the loop with the frame's `pc` at `$pc`.
    macro_rules! leave {
        ($pc:expr, $stop:expr) => {{
            if let Some(frame) = frames.last_mut() {
                frame.pc = $pc as u32;
            }
            return $stop;
        }};
    }
    macro_rules! attempt {
        ($result:expr) => {
            match $result {
                Ok(value) => value,
                Err(fault) => leave!(pc - 1, Stop::Fault(fault)),
            }
        };
    }
    macro_rules! burn {
        () => {
            *fuel -= 1;
            if *fuel == 0 {
                leave!(pc, Stop::Fuel);
            }
        };
    }
    macro_rules! arith {
        ($op:expr, $fast:ident, $dst:expr, $a:expr, $b:expr) => {{
            let (a, b) = ($a, $b);
            r[at($dst)] = match a.$fast(b) {
                Some(value) => value,
                None => attempt!(arith(heap, strings, $op, a, b)),
            };
        }};
    }
    // Whether two values are in an order, `$fast` for small integers.
    macro_rules! ordered {
        ($text:literal, $fast:ident, $is:ident, $a:expr, $b:expr) => {{
            let (a, b) = ($a, $b);
            match a.$fast(b) {
                Some(result) => result,
                None => attempt!(order(heap, strings, $text, a, b)).is_some_and(|o| o.$is()),
            }
        }};
    }
    macro_rules! equal {
        ($a:expr, $b:expr) => {{
            let (a, b) = ($a, $b);
            a.eq_small(b).unwrap_or_else(|| equal(heap, strings, a, b))
        }};
    }
    macro_rules! jump {
        ($to:expr) => {
            pc = pc.wrapping_add_signed($to.0 as isize)
        };
    }
    // Enters the function `$callee` with its first register at `$first`.
    macro_rules! call {
        ($id:expr, $first:expr) => {{
            let first: usize = $first;
            let id: u32 = $id;
            function = code.function(id);
            let top = first + usize::from(function.registers);
            if top > stack.len() {
                if top > MAX_STACK {
                    leave!(pc - 1, Stop::Fault(Fault::StackOverflow));
                }
                stack.resize(top, Value::NIL);
            }
            if let Some(frame) = frames.last_mut() {
                frame.pc = pc as u32;
            }
            frames.push(Frame {
                function: id,
                pc: 0,
                base: first as u32,
            });
            (pc, base) = (0, first);
            r = &mut stack[first..top];
            burn!();
        }};
    }
    macro_rules! ret {
        ($value:expr) => {{
            let value: Value = $value;
            if frames.len() == 1 {
                leave!(pc - 1, Stop::Finished(value));
            }
            frames.pop();
            // The result goes to the register before the callee's first.
            stack[base - 1] = value;
            if let Some(&Frame {
                function: id,
                pc: next,
                base: first,
            }) = frames.last()
            {
                function = code.function(id);
                (pc, base) = (next as usize, first as usize);
            }
            r = &mut stack[base..base + usize::from(function.registers)];
        }};
    }

    loop {
        let instr = function.code[pc];
        pc += 1;
        match instr {
            Instr::Move { dst, src } => r[at(dst)] = r[at(src)],
            Instr::LoadConst { dst, constant } => {
                r[at(dst)] = match function.consts[usize::from(constant.0)] {
                    Constant::Value(value) => value,
                    Constant::Int(value) => heap.int(value),
                    Constant::Float(value) => heap.float(value),
                };
            }
            Instr::LoadInt { dst, value } => r[at(dst)] = Value::tiny_int(value),
            Instr::LoadNil { dst } => r[at(dst)] = Value::NIL,
            Instr::LoadTrue { dst } => r[at(dst)] = Value::TRUE,
            Instr::LoadFalse { dst } => r[at(dst)] = Value::FALSE,

            Instr::Add { dst, lhs, rhs } => {
                arith!(Arith::Add, add_small, dst, r[at(lhs)], r[at(rhs)])
            }
            Instr::Sub { dst, lhs, rhs } => {
                arith!(Arith::Sub, sub_small, dst, r[at(lhs)], r[at(rhs)])
            }
            Instr::Mul { dst, lhs, rhs } => {
                arith!(Arith::Mul, mul_small, dst, r[at(lhs)], r[at(rhs)])
            }
            Instr::Div { dst, lhs, rhs } => {
                arith!(Arith::Div, div_small, dst, r[at(lhs)], r[at(rhs)])
            }
            Instr::Rem { dst, lhs, rhs } => {
                arith!(Arith::Rem, rem_small, dst, r[at(lhs)], r[at(rhs)])
            }
            Instr::AddInt { dst, lhs, value } => {
                arith!(
                    Arith::Add,
                    add_small,
                    dst,
                    r[at(lhs)],
                    Value::tiny_int(i16::from(value))
                );
            }
            Instr::SubInt { dst, lhs, value } => {
                arith!(
                    Arith::Sub,
                    sub_small,
                    dst,
                    r[at(lhs)],
                    Value::tiny_int(i16::from(value))
                );
            }
            Instr::Neg { dst, src } => r[at(dst)] = attempt!(negate(heap, strings, r[at(src)])),

            Instr::Not { dst, src } => r[at(dst)] = Value::bool(!r[at(src)].is_true()),
            Instr::Eq { dst, lhs, rhs } => r[at(dst)] = Value::bool(equal!(r[at(lhs)], r[at(rhs)])),
            Instr::Ne { dst, lhs, rhs } => {
                r[at(dst)] = Value::bool(!equal!(r[at(lhs)], r[at(rhs)]))
            }
            Instr::Lt { dst, lhs, rhs } => {
                r[at(dst)] = Value::bool(ordered!("<", lt_small, is_lt, r[at(lhs)], r[at(rhs)]));
            }
            Instr::Le { dst, lhs, rhs } => {
                r[at(dst)] = Value::bool(ordered!("<=", le_small, is_le, r[at(lhs)], r[at(rhs)]));
            }

            Instr::Jump { to } => jump!(to),
            Instr::JumpIf { cond, to } => {
                if r[at(cond)].is_true() {
                    jump!(to);
                }
            }
            Instr::JumpIfNot { cond, to } => {
                if !r[at(cond)].is_true() {
                    jump!(to);
                }
            }
            Instr::TestEq { lhs, rhs, skip_if } => {
                pc += usize::from(equal!(r[at(lhs)], r[at(rhs)]) == skip_if);
            }
            Instr::TestLt { lhs, rhs, skip_if } => {
                pc +=
                    usize::from(ordered!("<", lt_small, is_lt, r[at(lhs)], r[at(rhs)]) == skip_if);
            }
            Instr::TestLe { lhs, rhs, skip_if } => {
                pc +=
                    usize::from(ordered!("<=", le_small, is_le, r[at(lhs)], r[at(rhs)]) == skip_if);
            }
            Instr::Loop { to } => {
                jump!(to);
                burn!();
            }

            Instr::Call { base: callee, argc } => {
                let id = attempt!(env.callee(heap, r[at(callee)], argc));
                call!(id, base + at(callee) + 1);
            }
            Instr::CallFn {
                base: callee,
                function: id,
            } => call!(u32::from(id.0), base + at(callee) + 1),
            Instr::CallBuiltin {
                builtin: Builtin::Print | Builtin::Log | Builtin::Label,
                ..
            } => {
                leave!(pc - 1, Stop::Effect(instr));
            }
            Instr::CallBuiltin {
                base: first,
                builtin,
                argc,
            } => {
                let arguments = &r[at(first)..at(first) + usize::from(argc)];
                r[at(first)] = attempt!(builtins::call(env, heap, builtin, arguments));
            }
            Instr::Return { src } => ret!(r[at(src)]),
            Instr::ReturnNil {} => ret!(Value::NIL),

            Instr::NewList {
                dst,
                base: first,
                count,
            } => {
                r[at(dst)] = heap.list(r[at(first)..at(first) + usize::from(count)].to_vec());
            }
            Instr::Extend {
                list,
                base: first,
                count,
            } => {
                heap.extend(r[at(list)], &r[at(first)..at(first) + usize::from(count)]);
            }
            Instr::Index { dst, list, index } => {
                r[at(dst)] = attempt!(index_of(heap, strings, r[at(list)], r[at(index)]))
            }
            Instr::Slice { dst, list, bounds } => {
                let bounds = [r[at(bounds)], r[at(bounds) + 1]];
                r[at(dst)] = attempt!(slice_of(heap, strings, r[at(list)], bounds));
            }
            Instr::SetIndex { list, index, value } => {
                attempt!(set_index(
                    heap,
                    strings,
                    r[at(list)],
                    r[at(index)],
                    r[at(value)]
                ));
            }

            Instr::ForRangePrep { base: own, exit } => {
                let (from, to) = (r[at(own)], r[at(own) + 1]);
                let some = match from.lt_small(to) {
                    Some(some) => some,
                    None => {
                        attempt!(bound(heap, strings, from)) < attempt!(bound(heap, strings, to))
                    }
                };
                if some {
                    r[at(own) + 2] = from;
                } else {
                    jump!(exit);
                }
            }
            Instr::ForRange { base: own, body } => {
                const ONE: Value = Value::tiny_int(1);
                let (last, to) = (r[at(own)], r[at(own) + 1]);
                let next = match last.add_small(ONE) {
                    Some(next) => next,
                    None => attempt!(arith(heap, strings, Arith::Add, last, ONE)),
                };
                r[at(own)] = next;
                if ordered!("<", lt_small, is_lt, next, to) {
                    r[at(own) + 2] = next;
                    jump!(body);
                }
                burn!();
            }
            Instr::ForPrep { base: own } => match heap.view(strings, r[at(own)]) {
                View::List(..) | View::Chan(_) => r[at(own) + 1] = Value::tiny_int(0),
                other => {
                    let found = other.type_name();
                    let wants = "a range, a list or a channel";
                    leave!(
                        pc - 1,
                        Stop::Fault(Fault::Type {
                            place: "`for`",
                            wants,
                            found
                        })
                    );
                }
            },
            Instr::ForNext { base: own, exit } => {
                let Some(elements) = heap.as_list(r[at(own)]) else {
                    leave!(pc - 1, Stop::Effect(instr))
                };
                let next = r[at(own) + 1].as_small_int().unwrap_or(0);
                match elements.get(next as usize) {
                    Some(&element) => {
                        r[at(own) + 1] = heap.int(next + 1);
                        r[at(own) + 2] = element;
                    }
                    None => jump!(exit),
                }
            }

            Instr::Spawn { .. }
            | Instr::Send { .. }
            | Instr::Recv { .. }
            | Instr::Join { .. }
            | Instr::Close { .. }
            | Instr::Yield {}
            | Instr::Sleep { .. }
            | Instr::ReadFile { .. }
            | Instr::Select { .. }
            | Instr::ArmRecv { .. }
            | Instr::ArmSend { .. }
            | Instr::ArmAfter { .. }
            | Instr::ArmElse {}
            | Instr::RegionBegin { .. }
            | Instr::RegionEnd {}
            | Instr::UserTaskBegin { .. }
            | Instr::UserTaskEnd {} => leave!(pc - 1, Stop::Effect(instr)),
        }
    }
}

#[inline(always)]
fn at(register: Reg) -> usize {
    usize::from(register.0)
}

fn bound(heap: &Heap, strings: &Strings, value: Value) -> Result<i64, Fault> {
    match heap.view(strings, value) {
        View::Int(i) => Ok(i),
        other => Err(Fault::Type {
            place: "a range",
            wants: "integers",
            found: other.type_name(),
        }),
    }
}

/// `index` as the index of one of `length` elements.
fn element(heap: &Heap, strings: &Strings, index: Value, length: usize) -> Result<usize, Fault> {
    match heap.view(strings, index) {
        View::Int(index) => usize::try_from(index)
            .ok()
            .filter(|&i| i < length)
            .ok_or(Fault::Index { index, length }),
        other => Err(Fault::Type {
            place: "an index",
            wants: "an integer",
            found: other.type_name(),
        }),
    }
}

fn index_of(heap: &mut Heap, strings: &Strings, list: Value, index: Value) -> Result<Value, Fault> {
    let character = match heap.view(strings, list) {
        View::List(_, elements) => {
            return element(heap, strings, index, elements.len()).map(|i| elements[i]);
        }
        View::Str(text) if text.is_ascii() => {
            element(heap, strings, index, text.len()).map(|i| char::from(text.as_bytes()[i]))?
        }
        View::Str(text) => {
            let i = element(heap, strings, index, text.chars().count())?;
            text.chars().nth(i).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        other => {
            let found = other.type_name();
            return Err(Fault::Type {
                place: "indexing",
                wants: "a list or a string",
                found,
            });
        }
    };
    Ok(heap.string(character.encode_utf8(&mut [0; 4])))
}

fn slice_of(
    heap: &mut Heap,
    strings: &Strings,
    list: Value,
    bounds: [Value; 2],
) -> Result<Value, Fault> {
    let range = |length: usize| {
        let [from, to] = bounds.map(|bound| match heap.view(strings, bound) {
            View::Int(i) => Ok(i),
            other => Err(Fault::Type {
                place: "a slice",
                wants: "integers",
                found: other.type_name(),
            }),
        });
        let (from, to) = (from?, to?);
        match (usize::try_from(from), usize::try_from(to)) {
            (Ok(first), Ok(end)) if first <= end && end <= length => Ok(first..end),
            _ => Err(Fault::Slice { from, to, length }),
        }
    };
    match heap.view(strings, list) {
        View::List(_, elements) => {
            let part = elements[range(elements.len())?].to_vec();
            Ok(heap.list(part))
        }
        View::Str(text) if text.is_ascii() => {
            let text = Arc::clone(text);
            let range = range(text.len())?;
            Ok(heap.string(&text[range]))
        }
        View::Str(text) => {
            let text = Arc::clone(text);
            let range = range(text.chars().count())?;
            let part: String = text.chars().skip(range.start).take(range.len()).collect();
            Ok(heap.string(&part))
        }
        other => Err(Fault::Type {
            place: "slicing",
            wants: "a list or a string",
            found: other.type_name(),
        }),
    }
}

fn set_index(
    heap: &mut Heap,
    strings: &Strings,
    list: Value,
    index: Value,
    value: Value,
) -> Result<(), Fault> {
    let View::List(_, elements) = heap.view(strings, list) else {
        let found = heap.view(strings, list).type_name();
        return Err(Fault::Type {
            place: "assignment to an element",
            wants: "a list",
            found,
        });
    };
    let i = element(heap, strings, index, elements.len())?;
    if let Some(elements) = heap.as_list_mut(list) {
        elements[i] = value;
    }
    Ok(())
}
