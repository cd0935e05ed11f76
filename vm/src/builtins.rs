//! The builtin functions that concern the calling task alone.

use std::sync::Arc;
use std::time::Instant;

use weft::builtin::Builtin;

use crate::channel::Channel;
use crate::code::Code;
use crate::fault::Fault;
use crate::heap::{Heap, Object, View};
use crate::text::write_value;
use crate::value::Value;

/// What programs can know of the world around them.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) code: &'a Code,
    /// The program's own arguments.
    pub(crate) args: &'a [String],
    /// When `clock()` was 0.
    pub(crate) epoch: Instant,
}

impl Env<'_> {
    /// The function that `callee` is, if it can be called with `argc` arguments.
    ///
    /// # Errors
    /// If it is no function or takes another number of arguments.
    pub(crate) fn callee(&self, heap: &Heap, callee: Value, argc: u8) -> Result<u32, Fault> {
        match heap.view(&self.code.strings, callee) {
            View::Func(id) => {
                let function = self.code.function(id.0);
                if function.arity == argc {
                    Ok(id.0)
                } else {
                    let name = function.name.to_string();
                    Err(Fault::Arguments {
                        function: name,
                        wants: function.arity,
                        found: argc,
                    })
                }
            }
            other => Err(Fault::NotCallable(other.type_name())),
        }
    }
}

/// Calls a builtin. `Print`, `Log` and `Label` are effects, which the interpreter
/// hands back; here they do nothing.
pub(crate) fn call(
    env: &Env<'_>,
    heap: &mut Heap,
    builtin: Builtin,
    arguments: &[Value],
) -> Result<Value, Fault> {
    let code = env.code;
    let view = |i: usize| {
        heap.view(
            &code.strings,
            arguments.get(i).copied().unwrap_or(Value::NIL),
        )
    };
    let wrong = |place, wants, view: View<'_>| {
        Err(Fault::Type {
            place,
            wants,
            found: view.type_name(),
        })
    };
    match builtin {
        Builtin::Print | Builtin::Log | Builtin::Label => Ok(Value::NIL),
        Builtin::Str => match view(0) {
            View::Str(_) => Ok(arguments[0]),
            _ => {
                let mut text = String::new();
                write_value(&mut text, heap, code, arguments[0]);
                Ok(heap.string(&text))
            }
        },
        Builtin::Int => match view(0) {
            View::Int(_) => Ok(arguments[0]),
            View::Float(f) => {
                // Exactly the floats below 2^63 in size convert.
                let whole = f.trunc();
                if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
                    Ok(heap.int(whole as i64))
                } else {
                    let found = f.to_string();
                    Err(Fault::Range {
                        place: "`int`",
                        wants: "a float within 64 bits",
                        found,
                    })
                }
            }
            View::Str(text) => match text.trim().parse() {
                Ok(value) => Ok(heap.int(value)),
                Err(_) => Err(Fault::NotAnInteger(text.to_string())),
            },
            other => wrong("`int`", "a string or a number", other),
        },
        Builtin::Len => match view(0) {
            View::List(_, elements) => Ok(heap.int(elements.len() as i64)),
            View::Str(text) => {
                let length = if text.is_ascii() {
                    text.len()
                } else {
                    text.chars().count()
                };
                Ok(heap.int(length as i64))
            }
            other => wrong("`len`", "a string or a list", other),
        },
        Builtin::Push => match view(0) {
            View::List(..) => {
                heap.extend(arguments[0], &arguments[1..]);
                Ok(Value::NIL)
            }
            other => wrong("`push`", "a list", other),
        },
        Builtin::Chan => match view(0) {
            View::Int(capacity) => match usize::try_from(capacity) {
                Ok(capacity) => Ok(heap.add(Object::Chan(Arc::new(Channel::new(capacity))))),
                Err(_) => Err(Fault::Range {
                    place: "`chan`",
                    wants: "a capacity of at least 0",
                    found: capacity.to_string(),
                }),
            },
            other => wrong("`chan`", "an integer", other),
        },
        Builtin::Args => {
            let args = env.args.iter().map(|arg| heap.string(arg)).collect();
            Ok(heap.list(args))
        }
        Builtin::Clock => {
            // 64 bits of nanoseconds last for 292 years.
            let nanos = i64::try_from(env.epoch.elapsed().as_nanos()).unwrap_or(i64::MAX);
            Ok(heap.int(nanos))
        }
    }
}
