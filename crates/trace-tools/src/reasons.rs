//! Something for each reason to wait: mostly a few, and any number if a file is made
//! so.

use std::ops::Deref;

use hashbrown::HashMap;

use crate::stacks::Name;

/// Something for each reason, in the order in which they were first met.
#[derive(Clone, Debug)]
pub struct Reasons<V> {
    list: Vec<(Name, V)>,
    /// Where in the list they are, if they are many.
    places: Option<Box<HashMap<Name, usize>>>,
}

/// So many are looked through.
const FEW: usize = 16;

impl<V: Default> Reasons<V> {
    /// What there is for this reason.
    pub fn of(&mut self, reason: Name) -> &mut V {
        let next = self.list.len();
        let at = match &mut self.places {
            Some(places) => *places.entry(reason).or_insert(next),
            None => {
                let known = self.list.iter().position(|&(known, _)| known == reason);
                known.unwrap_or(next)
            }
        };
        if at == next {
            self.list.push((reason, V::default()));
            if next == FEW {
                self.find_places();
            }
        }
        &mut self.list[at].1
    }

    /// Puts them in another order.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&(Name, V)) -> K) {
        self.list.sort_by_key(key);
        if self.places.is_some() {
            self.find_places();
        }
    }

    fn find_places(&mut self) {
        let list = self.list.iter().enumerate();
        let places = list.map(|(at, &(reason, _))| (reason, at));
        self.places = Some(Box::new(places.collect()));
    }
}

impl<V> Default for Reasons<V> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            places: None,
        }
    }
}

impl<V> Deref for Reasons<V> {
    type Target = [(Name, V)];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl<V: PartialEq> PartialEq for Reasons<V> {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl<V: Eq> Eq for Reasons<V> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stacks::Names;

    #[test]
    fn as_a_map() {
        let mut names = Names::default();
        let names: Vec<Name> = (0..100).map(|n| names.intern(&n.to_string())).collect();
        for count in [1, FEW, FEW + 1, 100] {
            let mut reasons = Reasons::<u64>::default();
            let mut model = BTreeMap::new();
            for n in (0..1000).map(|n: usize| n * n * 7 % count) {
                if n == 9 {
                    reasons.sort_by_key(|&(reason, _)| std::cmp::Reverse(reason));
                }
                *reasons.of(names[n]) += n as u64 + 1;
                *model.entry(names[n]).or_insert(0) += n as u64 + 1;
                assert_eq!(reasons.places.is_some(), reasons.len() > FEW);
            }
            reasons.sort_by_key(|&(reason, _)| reason);
            assert_eq!(*reasons, model.into_iter().collect::<Vec<_>>());
        }
    }
}
