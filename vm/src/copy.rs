//! How values get from one task to another: by a deep copy that keeps sharing
//! and cycles inside what is copied.
//!
//! A [`Message`] is a value with a small heap of its own. The sender makes it
//! from its heap, before it takes any lock; the receiver takes it in by moving
//! the objects over, so each message is copied once. Copying goes by a list of
//! work and not by recursion: however deep a value nests, the worker's stack
//! does not notice.

use std::collections::HashMap;

use crate::heap::{Heap, Object};
use crate::value::Value;

/// A value on its way between heaps.
#[derive(Debug)]
pub(crate) enum Message {
    /// It needs no heap.
    Plain(Value),
    /// One object that refers to no other: a string, a channel, a list of small numbers.
    Single(Object),
    /// Lists with objects in them, in a heap of their own.
    Parts(Box<Heap>, Value),
}

impl Message {
    /// Copies `value`, of `heap`, out of it.
    pub(crate) fn pack(heap: &Heap, value: Value) -> Message {
        let Some(index) = value.as_object() else {
            return Message::Plain(value);
        };
        match heap.object(index) {
            Object::List(elements) if elements.iter().any(|e| e.as_object().is_some()) => {
                let mut parts = Heap::default();
                let root = Copier::new(heap, &mut parts).copy(value);
                Message::Parts(Box::new(parts), root)
            }
            object => Message::Single(object.clone()),
        }
    }

    /// Moves it into `heap`.
    pub(crate) fn unpack(self, heap: &mut Heap) -> Value {
        match self {
            Message::Plain(value) => value,
            Message::Single(object) => heap.add(object),
            Message::Parts(parts, root) => heap.adopt(*parts, root),
        }
    }

    /// Copies it into `heap`, for what is read more than once.
    pub(crate) fn copy_to(&self, heap: &mut Heap) -> Value {
        match self {
            Message::Plain(value) => *value,
            Message::Single(object) => heap.add(object.clone()),
            Message::Parts(parts, root) => Copier::new(parts, heap).copy(*root),
        }
    }
}

/// A copy in progress from one heap to another. Values copied by the same
/// copier keep what they share.
pub(crate) struct Copier<'c> {
    from: &'c Heap,
    to: &'c mut Heap,
    /// Objects copied so far: index there, value here.
    done: HashMap<u32, Value>,
    /// Lists whose elements are still those of `from`.
    open: Vec<(u32, Value)>,
}

impl<'c> Copier<'c> {
    pub(crate) fn new(from: &'c Heap, to: &'c mut Heap) -> Self {
        Copier {
            from,
            to,
            done: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// The copy of `value`.
    pub(crate) fn copy(&mut self, value: Value) -> Value {
        let root = self.shallow(value);
        while let Some((index, copy)) = self.open.pop() {
            let Object::List(elements) = self.from.object(index) else {
                continue;
            };
            for (i, &element) in elements.iter().enumerate() {
                if element.as_object().is_none() {
                    continue;
                }
                let element = self.shallow(element);
                if let Some(list) = self.to.as_list_mut(copy) {
                    list[i] = element;
                }
            }
        }
        root
    }

    /// Copies one object; a list with the elements it had there, to be
    /// replaced from the list of open work.
    fn shallow(&mut self, value: Value) -> Value {
        let Some(index) = value.as_object() else {
            return value;
        };
        if let Some(&copy) = self.done.get(&index) {
            return copy;
        }
        let object = self.from.object(index);
        let copy = self.to.add(object.clone());
        // Numbers and strings have no identity that a program could see.
        match object {
            Object::List(elements) => {
                self.done.insert(index, copy);
                if elements.iter().any(|e| e.as_object().is_some()) {
                    self.open.push((index, copy));
                }
            }
            Object::Str(_) => {
                self.done.insert(index, copy);
            }
            Object::Int(_) | Object::Float(_) | Object::Chan(_) | Object::Task(_) => {}
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::View;

    #[test]
    fn sharing_and_cycles_survive_and_stay_inside() {
        let mut from = Heap::default();
        let shared = from.list(vec![Value::tiny_int(1)]);
        let root = from.list(vec![shared, shared, Value::NIL]);
        from.as_list_mut(root).expect("a list")[2] = root;

        let mut to = Heap::default();
        to.string("there before");
        let copy = Message::pack(&from, root).unpack(&mut to);
        let list = to.as_list(copy).expect("a list").to_vec();
        assert!(list[0].same_bits(list[1]), "one list, twice");
        assert!(list[2].same_bits(copy), "a cycle");

        to.as_list_mut(list[0]).expect("a list")[0] = Value::tiny_int(2);
        let View::List(_, original) = from.view(&[], shared) else {
            panic!("a list")
        };
        assert_eq!(
            original[0].as_small_int(),
            Some(1),
            "the sender's list is its own"
        );
    }

    #[test]
    fn a_list_of_a_million_levels_is_copied() {
        let mut from = Heap::default();
        let mut list = from.list(vec![]);
        for _ in 0..1_000_000 {
            list = from.list(vec![list]);
        }
        let mut to = Heap::default();
        let message = Message::pack(&from, list);
        let first = message.copy_to(&mut to);
        let second = message.unpack(&mut to);
        assert!(!first.same_bits(second));
        assert_eq!(to.len(), 2 * from.len());
    }
}
