//! A list that mostly has one item or none: then it needs no allocation.

/// Items in the order in which they came.
pub(crate) struct Few<T> {
    first: Option<T>,
    /// Empty if `first` is `None`.
    others: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) fn push(&mut self, item: T) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.others.push(item),
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        match index.checked_sub(1) {
            None => self.first.as_ref(),
            Some(index) => self.others.get(index),
        }
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.others)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().chain(&mut self.others)
    }

    /// Takes the item with the greatest key; of equals the first.
    #[inline]
    pub(crate) fn take_max<K: Ord>(&mut self, key: impl Fn(&T) -> K) -> Option<T> {
        let first = self.first.take()?;
        match self.others.is_empty() {
            true => Some(first),
            false => self.take_max_of_several(first, key),
        }
    }

    #[cold]
    fn take_max_of_several<K: Ord>(&mut self, first: T, key: impl Fn(&T) -> K) -> Option<T> {
        self.others.insert(0, first);
        let indices = (0..self.others.len()).rev();
        let max = indices.max_by_key(|&index| key(&self.others[index]))?;
        let taken = self.others.remove(max);
        self.first = Some(self.others.remove(0));
        Some(taken)
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self {
            first: None,
            others: Vec::new(),
        }
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_in_their_order() {
        let mut few = Few::default();
        for length in 0..4 {
            assert!(few.iter().copied().eq(0..length));
            assert!(
                (0..5)
                    .map(|index| few.get(index).copied())
                    .eq((0..5).map(|index| (index < length as usize).then_some(index as i32)))
            );
            few.iter_mut().for_each(|item| *item += 0);
            few.push(length);
        }
    }

    #[test]
    fn the_greatest_is_taken_and_of_equals_the_first() {
        for items in [&[][..], &[1], &[1, 2], &[2, 1], &[1, 3, 3, 2, 3, 1]] {
            let mut few = Few::default();
            few.extend(items.iter().zip(0..));
            let mut expected: Vec<_> = items.iter().zip(0..).collect();
            expected.sort_by_key(|&(item, _)| std::cmp::Reverse(item));
            let taken = std::iter::from_fn(|| few.take_max(|&(item, _)| item));
            assert_eq!(taken.collect::<Vec<_>>(), expected);
        }
    }
}
