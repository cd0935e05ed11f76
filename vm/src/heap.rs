//! A task's heap: everything that does not fit a register.
//!
//! Objects live in one arena and are named by their index, so a value needs no
//! pointer, a heap moves as a whole, and the only way to another task's memory
//! is to hold its heap. Lists and large numbers belong to one heap alone;
//! strings, channels and handles are shared by reference count, since nothing
//! in them can tell one task from another what it does to its own memory.
//!
//! Nothing is collected while a task runs; when it ends, all goes at once.

use std::sync::Arc;

use weft::FuncId;

use crate::channel::Channel;
use crate::handle::Handle;
use crate::value::{Tagged, Value};

/// What the arena holds.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    /// An integer that needs more than 61 bits.
    Int(i64),
    /// A float that cannot tag itself.
    Float(f64),
    Str(Arc<str>),
    List(Vec<Value>),
    Chan(Arc<Channel>),
    Task(Arc<Handle>),
}

/// A list's index in its heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListId(pub(crate) u32);

/// A value as programs see it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'h> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'h Arc<str>),
    List(ListId, &'h [Value]),
    Func(FuncId),
    Chan(&'h Arc<Channel>),
    Task(&'h Arc<Handle>),
}

impl View<'_> {
    /// The type's name in messages.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            View::Nil => "nil",
            View::Bool(_) => "a boolean",
            View::Int(_) => "an integer",
            View::Float(_) => "a float",
            View::Str(_) => "a string",
            View::List(..) => "a list",
            View::Func(_) => "a function",
            View::Chan(_) => "a channel",
            View::Task(_) => "a task handle",
        }
    }
}

/// The strings of the program, which every task may name without a copy.
pub(crate) type Strings = [Arc<str>];

/// The arena.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    objects: Vec<Object>,
    /// What the objects own outside the arena, in bytes.
    outside: usize,
}

impl Heap {
    /// Roughly how much memory it takes, in bytes. Shared strings count in
    /// every heap that refers to them.
    pub(crate) fn bytes(&self) -> usize {
        self.objects.capacity() * size_of::<Object>() + self.outside
    }

    /// How many objects there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Puts an object into the arena.
    ///
    /// # Panics
    /// With 2^32 objects, which is 96 GiB of them.
    #[inline]
    pub(crate) fn add(&mut self, object: Object) -> Value {
        self.outside += owned_bytes(&object);
        let index = u32::try_from(self.objects.len()).expect("a heap of fewer than 2^32 objects");
        self.objects.push(object);
        Value::object(index)
    }

    #[inline]
    pub(crate) fn int(&mut self, value: i64) -> Value {
        Value::small_int(value).unwrap_or_else(|| self.add(Object::Int(value)))
    }

    #[inline]
    pub(crate) fn float(&mut self, value: f64) -> Value {
        Value::near_float(value).unwrap_or_else(|| self.add(Object::Float(value)))
    }

    pub(crate) fn string(&mut self, text: &str) -> Value {
        self.add(Object::Str(text.into()))
    }

    pub(crate) fn list(&mut self, elements: Vec<Value>) -> Value {
        self.add(Object::List(elements))
    }

    /// The object of this index, which a value of this heap has named.
    #[inline]
    pub(crate) fn object(&self, index: u32) -> &Object {
        &self.objects[index as usize]
    }

    /// What `value` is. It must belong to this heap.
    #[inline]
    pub(crate) fn view<'h>(&'h self, strings: &'h Strings, value: Value) -> View<'h> {
        match value.tagged() {
            Tagged::Nil => View::Nil,
            Tagged::Bool(b) => View::Bool(b),
            Tagged::Int(i) => View::Int(i),
            Tagged::Float(f) => View::Float(f),
            Tagged::Func(id) => View::Func(id),
            Tagged::ConstStr(index) => View::Str(&strings[index as usize]),
            Tagged::Object(index) => match self.object(index) {
                Object::Int(i) => View::Int(*i),
                Object::Float(f) => View::Float(*f),
                Object::Str(text) => View::Str(text),
                Object::List(elements) => View::List(ListId(index), elements),
                Object::Chan(channel) => View::Chan(channel),
                Object::Task(handle) => View::Task(handle),
            },
        }
    }

    /// The elements of the list that `value` is, if it is one.
    #[inline]
    pub(crate) fn as_list(&self, value: Value) -> Option<&[Value]> {
        match self.object(value.as_object()?) {
            Object::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The same, to change elements but not their number.
    #[inline]
    pub(crate) fn as_list_mut(&mut self, value: Value) -> Option<&mut [Value]> {
        match &mut self.objects[value.as_object()? as usize] {
            Object::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// Appends to a list. `false` if `list` is none.
    pub(crate) fn extend(&mut self, list: Value, more: &[Value]) -> bool {
        let Some(index) = list.as_object() else {
            return false;
        };
        let Object::List(elements) = &mut self.objects[index as usize] else {
            return false;
        };
        let before = elements.capacity();
        elements.extend_from_slice(more);
        self.outside += (elements.capacity() - before) * size_of::<Value>();
        true
    }

    /// Moves all objects of `other` to the end of this arena and gives back
    /// `root`, a value of `other`, as one of this heap.
    pub(crate) fn adopt(&mut self, other: Heap, root: Value) -> Value {
        let offset = u32::try_from(self.objects.len()).expect("a heap of fewer than 2^32 objects");
        let moved = |value: Value| match value.as_object() {
            Some(index) => Value::object(
                index
                    .checked_add(offset)
                    .expect("a heap of fewer than 2^32 objects"),
            ),
            None => value,
        };
        self.outside += other.outside;
        self.objects
            .extend(other.objects.into_iter().map(|mut object| {
                if let Object::List(elements) = &mut object {
                    for element in elements {
                        *element = moved(*element);
                    }
                }
                object
            }));
        moved(root)
    }
}

fn owned_bytes(object: &Object) -> usize {
    match object {
        Object::Int(_) | Object::Float(_) | Object::Chan(_) | Object::Task(_) => 0,
        Object::Str(text) => text.len(),
        Object::List(elements) => elements.capacity() * size_of::<Value>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_a_word_are_exact() {
        let mut heap = Heap::default();
        for value in [i64::MAX, i64::MIN, 1 << 60, 5] {
            let v = heap.int(value);
            assert!(matches!(heap.view(&[], v), View::Int(i) if i == value));
        }
        for value in [f64::MAX, f64::INFINITY, 1e-300, 0.5] {
            let v = heap.float(value);
            assert!(matches!(heap.view(&[], v), View::Float(f) if f == value));
        }
    }

    #[test]
    fn adopting_a_heap_moves_what_its_lists_refer_to() {
        let mut from = Heap::default();
        let text = from.string("x");
        let inner = from.list(vec![text, Value::TRUE]);
        let root = from.list(vec![inner, inner]);
        let mut to = Heap::default();
        to.string("there before");
        let bytes = from.outside + to.outside;
        let root = to.adopt(from, root);
        assert_eq!(to.outside, bytes);
        let outer = to.as_list(root).expect("a list").to_vec();
        assert!(outer[0].same_bits(outer[1]), "still one list");
        let inner = to.as_list(outer[0]).expect("a list");
        assert!(matches!(to.view(&[], inner[0]), View::Str(s) if &**s == "x"));
    }
}
