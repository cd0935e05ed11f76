//! The names of arguments as Go spells them.

use trace_format::{Arg, ArgKind};

/// What [`Arg::name`] lacks of the name that Go has for the argument.
///
/// There, names may end in a type. In most the type is the name, and so there is
/// nothing to add; an ID of a string always says so, a plain number in some.
pub fn suffix(arg: &Arg) -> &'static str {
    const VALUES: [&str; 6] = [
        "procs",
        "heapalloc",
        "heapgoal",
        "swept",
        "reclaimed",
        "npages",
    ];
    match arg.kind {
        ArgKind::String => "_string",
        ArgKind::Value if VALUES.contains(&arg.name) => "_value",
        _ => "",
    }
}

/// The arguments of a stack's frame.
pub(super) const FRAME: [&str; 4] = ["pc", "func", "file", "line"];

#[cfg(test)]
mod tests {
    use trace_format::EventKind;

    use super::*;

    /// The names as Go's table of events has them.
    #[test]
    fn names_with_a_type() {
        let args = EventKind::ALL.iter().flat_map(|kind| kind.args());
        let mut names: Vec<String> = args
            .filter(|arg| !suffix(arg).is_empty())
            .map(|arg| format!("{}{}", arg.name, suffix(arg)))
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(
            names,
            [
                "heapalloc_value",
                "heapgoal_value",
                "key_string",
                "kind_string",
                "label_string",
                "name_string",
                "npages_value",
                "procs_value",
                "reason_string",
                "reclaimed_value",
                "swept_value",
                "value_string",
            ]
        );
    }
}
