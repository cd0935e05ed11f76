//! The functions every program can call without declaring them.
//!
//! There are two kinds. A *builtin* runs to its end inside the VM and is
//! called by number through `CallBuiltin`. A *task call* can suspend the
//! calling task or wake another one, so each has an opcode of its own. To a
//! program they look alike, and any declaration or local of the same name
//! shadows them.

/// Arity bound of a builtin that takes any number of arguments.
pub const ANY: u8 = u8::MAX;

macro_rules! builtins {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $min:literal, $max:expr;)*) => {
        /// A function that the VM runs by number; the operand of `CallBuiltin`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Builtin { $($(#[$doc])* $name),* }

        impl Builtin {
            /// Every builtin, in the order of their numbers.
            pub const ALL: &[Builtin] = &[$(Builtin::$name),*];

            /// The name programs call it by.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$name => $text),* }
            }

            /// Fewest and most arguments; [`ANY`] is no upper bound.
            pub const fn arity(self) -> (u8, u8) {
                match self { $(Builtin::$name => ($min, $max)),* }
            }
        }
    };
}

builtins! {
    /// `print(x, ...)`: writes its arguments, separated by a space, and a newline; gives nil.
    Print = "print", 0, ANY;
    /// `str(x)`: the text of any value, as `print` writes it. A string stays as it is.
    Str = "str", 1, 1;
    /// `int(x)`: the integer a string spells, or a float truncated. Fails on any other text or type.
    Int = "int", 1, 1;
    /// `len(x)`: characters of a string, elements of a list. Fails on any other type.
    Len = "len", 1, 1;
    /// `push(list, x)`: appends `x`; gives nil. Fails if the first is no list.
    Push = "push", 2, 2;
    /// `chan(capacity)`: a new channel. Fails unless the capacity is an integer of at least 0.
    Chan = "chan", 1, 1;
    /// `log(category, message)`: one log event of the trace; gives nil. Fails unless both are strings.
    Log = "log", 2, 2;
    /// `label(name)`: labels the task in the trace; gives nil. Fails unless it is a string.
    Label = "label", 1, 1;
    /// `args()`: the program's arguments, a new list of strings.
    Args = "args", 0, 0;
    /// `clock()`: nanoseconds of a monotonic clock, an integer.
    Clock = "clock", 0, 0;
}

impl Builtin {
    /// The builtin of this number.
    pub fn from_u8(number: u8) -> Option<Builtin> {
        Builtin::ALL.get(usize::from(number)).copied()
    }

    /// The builtin of this name.
    pub fn from_name(name: &str) -> Option<Builtin> {
        Builtin::ALL.iter().copied().find(|b| b.name() == name)
    }
}

macro_rules! task_calls {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $arity:literal;)*) => {
        /// A function that compiles to an opcode of the same name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TaskCall { $($(#[$doc])* $name),* }

        impl TaskCall {
            /// Every task call.
            pub const ALL: &[TaskCall] = &[$(TaskCall::$name),*];

            /// The name programs call it by.
            pub const fn name(self) -> &'static str {
                match self { $(TaskCall::$name => $text),* }
            }

            /// How many arguments it takes.
            pub const fn arity(self) -> u8 {
                match self { $(TaskCall::$name => $arity),* }
            }
        }
    };
}

task_calls! {
    /// `send(channel, x)`: gives nil once a receiver or the buffer has taken `x`.
    Send = "send", 2;
    /// `recv(channel)`: the next value, or nil once the channel is closed and empty.
    Recv = "recv", 1;
    /// `close(channel)`: no more sends; gives nil.
    Close = "close", 1;
    /// `join(handle)`: the result of a task, once it has one.
    Join = "join", 1;
    /// `yield()`: lets other tasks run; gives nil.
    Yield = "yield", 0;
    /// `sleep(ms)`: gives nil after that many milliseconds.
    Sleep = "sleep", 1;
    /// `read_file(path)`: the text of a file. Fails if it cannot be read or is no UTF-8.
    ReadFile = "read_file", 1;
}

impl TaskCall {
    /// The task call of this name.
    pub fn from_name(name: &str) -> Option<TaskCall> {
        TaskCall::ALL.iter().copied().find(|c| c.name() == name)
    }
}
