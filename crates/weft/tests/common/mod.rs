//! Checks that a program keeps the promises of `Program` and of the
//! instruction set, among them that no register is read before it is written.

use weft::op::{ConstIndex, FuncIndex, Instr, Jump16, Jump24, Reg};
use weft::{Const, Function, MAX_REGISTERS, Program};

/// What an instruction does to registers and where it goes on.
struct Effect {
    reads: Vec<usize>,
    writes: Vec<usize>,
    /// Registers from here on are lost.
    clobbers: usize,
    /// Jump target, if any.
    jump: Option<i64>,
    falls_through: bool,
}

const NOTHING_LOST: usize = usize::MAX;

fn effect(program: &Program, pc: usize, instr: Instr) -> Effect {
    use Instr::*;
    let r = |reg: Reg| usize::from(reg.0);
    let span = |base: Reg, count: u8| r(base)..r(base) + usize::from(count);
    let near = |jump: Jump16| Some(pc as i64 + 1 + i64::from(jump.0));
    let far = |jump: Jump24| Some(pc as i64 + 1 + i64::from(jump.0));
    let mut clobbers = NOTHING_LOST;
    let mut jump = None;
    let mut falls_through = true;
    let (reads, writes): (Vec<usize>, Vec<usize>) = match instr {
        Move { dst, src } | Neg { dst, src } | Not { dst, src } => (vec![r(src)], vec![r(dst)]),
        LoadConst { dst, .. } | LoadInt { dst, .. } => (vec![], vec![r(dst)]),
        LoadNil { dst } | LoadTrue { dst } | LoadFalse { dst } => (vec![], vec![r(dst)]),
        Add { dst, lhs, rhs }
        | Sub { dst, lhs, rhs }
        | Mul { dst, lhs, rhs }
        | Div { dst, lhs, rhs }
        | Rem { dst, lhs, rhs }
        | Eq { dst, lhs, rhs }
        | Ne { dst, lhs, rhs }
        | Lt { dst, lhs, rhs }
        | Le { dst, lhs, rhs } => (vec![r(lhs), r(rhs)], vec![r(dst)]),
        AddInt { dst, lhs, .. } | SubInt { dst, lhs, .. } => (vec![r(lhs)], vec![r(dst)]),
        Jump { to } => {
            jump = far(to);
            falls_through = false;
            (vec![], vec![])
        }
        Loop { to } => {
            assert!(to.0 < 0, "Loop goes forwards at {pc}");
            jump = far(to);
            falls_through = false;
            (vec![], vec![])
        }
        JumpIf { cond, to } | JumpIfNot { cond, to } => {
            assert!(to.0 >= 0, "backward jump at {pc}");
            jump = near(to);
            (vec![r(cond)], vec![])
        }
        TestEq { lhs, rhs, .. } | TestLt { lhs, rhs, .. } | TestLe { lhs, rhs, .. } => {
            jump = Some(pc as i64 + 2);
            (vec![r(lhs), r(rhs)], vec![])
        }
        Call { base, argc } | Spawn { base, argc } => {
            clobbers = r(base) + 1;
            (span(base, argc + 1).collect(), vec![r(base)])
        }
        CallFn {
            base,
            function: FuncIndex(index),
        } => {
            let arity = program.functions[usize::from(index)].arity;
            clobbers = r(base) + 1;
            (span(base, arity + 1).skip(1).collect(), vec![r(base)])
        }
        CallBuiltin {
            base,
            builtin,
            argc,
        } => {
            let (min, max) = builtin.arity();
            assert!(
                (min..=max).contains(&argc),
                "{builtin:?} with {argc} arguments at {pc}"
            );
            (span(base, argc).collect(), vec![r(base)])
        }
        Return { src } => {
            falls_through = false;
            (vec![r(src)], vec![])
        }
        ReturnNil {} => {
            falls_through = false;
            (vec![], vec![])
        }
        NewList { dst, base, count } => (span(base, count).collect(), vec![r(dst)]),
        Extend { list, base, count } => (span(base, count).chain([r(list)]).collect(), vec![]),
        Slice { dst, list, bounds } => (vec![r(list), r(bounds), r(bounds) + 1], vec![r(dst)]),
        Index { dst, list, index } => (vec![r(list), r(index)], vec![r(dst)]),
        SetIndex { list, index, value } => (vec![r(list), r(index), r(value)], vec![]),
        ForRangePrep { base, exit } => {
            jump = near(exit);
            (vec![r(base), r(base) + 1], vec![r(base) + 2])
        }
        ForRange { base, body } => {
            assert!(body.0 < 0, "ForRange goes forwards at {pc}");
            jump = near(body);
            (vec![r(base), r(base) + 1], vec![r(base), r(base) + 2])
        }
        ForPrep { base } => (vec![r(base)], vec![r(base) + 1]),
        ForNext { base, exit } => {
            jump = near(exit);
            (vec![r(base), r(base) + 1], vec![r(base) + 2])
        }
        Send { channel, value } => (vec![r(channel), r(value)], vec![]),
        Recv { dst, channel: src }
        | Join { dst, handle: src }
        | ReadFile { dst, path: src }
        | ArmRecv { dst, channel: src } => (vec![r(src)], vec![r(dst)]),
        Close { channel: reg }
        | Sleep { millis: reg }
        | RegionBegin { name: reg }
        | UserTaskBegin { name: reg }
        | ArmAfter { millis: reg } => (vec![r(reg)], vec![]),
        // Its arms are checked as if it went to each of them.
        Select { .. } => (vec![], vec![]),
        ArmSend { channel, value } => (vec![r(channel), r(value)], vec![]),
        Yield {} | RegionEnd {} | UserTaskEnd {} | ArmElse {} => (vec![], vec![]),
    };
    Effect {
        reads,
        writes,
        clobbers,
        jump,
        falls_through,
    }
}

/// # Panics
/// If the program breaks a promise.
pub fn verify(program: &Program) {
    assert_eq!(program.function(program.main).arity, 0);
    for function in &program.functions {
        verify_function(program, function);
    }
}

fn verify_function(program: &Program, function: &Function) {
    let name = &function.name;
    let registers = usize::from(function.registers);
    assert!(function.registers <= MAX_REGISTERS, "{name}");
    assert!(u16::from(function.arity) <= function.registers, "{name}");
    for constant in &function.consts {
        match *constant {
            Const::Str(index) => assert!((index as usize) < program.strings.len(), "{name}"),
            Const::Func(id) => assert!((id.0 as usize) < program.functions.len(), "{name}"),
            Const::Int(_) | Const::Float(_) => {}
        }
    }
    let code: Vec<Instr> = function
        .code
        .iter()
        .map(|&word| Instr::decode(word).expect("the compiler's words decode"))
        .collect();
    let last = code.last().expect("functions are not empty");
    assert!(
        matches!(last, Instr::Return { .. } | Instr::ReturnNil {}),
        "{name} ends in {last:?}"
    );

    // Which registers are written, and which regions and user tasks are open
    // (by the instruction that ends them), before each reachable instruction: on
    // all ways that lead there.
    let mut before: Vec<Option<(Vec<bool>, Vec<Instr>)>> = vec![None; code.len()];
    let mut params = vec![false; registers];
    params[..usize::from(function.arity)].fill(true);
    let mut pending = vec![(0usize, params, Vec::new())];
    while let Some((pc, written, mut open)) = pending.pop() {
        let merged = match &before[pc] {
            None => written,
            Some((known, before)) => {
                assert_eq!(*before, open, "{name}: what is open differs at {pc}");
                let both: Vec<bool> = known.iter().zip(&written).map(|(a, b)| *a && *b).collect();
                if both == *known {
                    continue;
                }
                both
            }
        };
        before[pc] = Some((merged.clone(), open.clone()));
        let instr = code[pc];
        if let Instr::LoadConst {
            constant: ConstIndex(index),
            ..
        } = instr
        {
            assert!(usize::from(index) < function.consts.len(), "{name} at {pc}");
        }
        if matches!(
            instr,
            Instr::TestEq { .. } | Instr::TestLt { .. } | Instr::TestLe { .. }
        ) {
            assert!(
                matches!(code[pc + 1], Instr::Jump { to } if to.0 >= 0),
                "{name} at {pc}"
            );
        }
        match instr {
            Instr::RegionBegin { .. } => open.push(Instr::RegionEnd {}),
            Instr::UserTaskBegin { .. } => open.push(Instr::UserTaskEnd {}),
            Instr::RegionEnd {} | Instr::UserTaskEnd {} => {
                assert_eq!(open.pop(), Some(instr), "{name}: ends nothing at {pc}");
            }
            Instr::Return { .. } | Instr::ReturnNil {} => {
                assert!(open.is_empty(), "{name}: {open:?} at {pc}");
            }
            _ => {}
        }
        let effect = effect(program, pc, instr);
        for &reg in &effect.reads {
            assert!(
                merged[reg],
                "{name}: r{reg} is read unwritten at {pc} by {instr:?}"
            );
        }
        let mut after = merged;
        for slot in after.iter_mut().skip(effect.clobbers) {
            *slot = false;
        }
        for &reg in &effect.writes {
            after[reg] = true;
        }
        if let Some(target) = effect.jump {
            let target = usize::try_from(target).expect("jumps stay inside");
            assert!(target < code.len(), "{name}: jump out of the code at {pc}");
            pending.push((target, after.clone(), open.clone()));
        }
        if let Instr::Select { arms } = instr {
            for arm in (0..usize::from(arms)).map(|i| pc + 1 + 2 * i) {
                use Instr::{ArmAfter, ArmElse, ArmRecv, ArmSend};
                assert!(
                    matches!(
                        code[arm],
                        ArmRecv { .. } | ArmSend { .. } | ArmAfter { .. } | ArmElse {}
                    ),
                    "{name} at {arm}"
                );
                assert!(matches!(code[arm + 1], Instr::Jump { to } if to.0 >= 0));
                pending.push((arm, after.clone(), open.clone()));
            }
        } else if effect.falls_through {
            pending.push((pc + 1, after, open));
        }
    }
}
