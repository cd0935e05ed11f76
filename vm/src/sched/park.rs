//! How a worker sleeps: a mailbox that it waits at.

use std::time::Instant;

use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// The mailbox of one worker. Mail that comes before the worker waits is kept,
/// so a wake-up cannot be lost.
pub(crate) struct Parker<T> {
    mail: Mutex<Option<T>>,
    came: Condvar,
}

impl<T> Parker<T> {
    pub(crate) fn new() -> Self {
        Parker {
            mail: Mutex::new(None),
            came: Condvar::new(),
        }
    }

    /// Puts mail into the box and wakes the worker. The box holds one letter:
    /// whoever posts has taken the worker off the list of parked ones.
    pub(crate) fn post(&self, letter: T) {
        let before = lock(&self.mail).replace(letter);
        debug_assert!(before.is_none(), "one letter at a time");
        self.came.notify_one();
    }

    /// Waits for mail, not longer than until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        let mut mail = lock(&self.mail);
        loop {
            if let Some(letter) = mail.take() {
                return Some(letter);
            }
            mail = match deadline {
                None => self.came.wait(mail).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.came
                        .wait_timeout(mail, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn mail_posted_early_is_kept() {
        let parker = Parker::new();
        parker.post(1);
        assert_eq!(parker.wait(None), Some(1));
        assert_eq!(parker.wait(Some(Instant::now())), None, "taken once");
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let parker = Parker::<u32>::new();
        assert_eq!(parker.wait(Some(Instant::now())), None);
        assert_eq!(
            parker.wait(Some(Instant::now() + Duration::from_millis(2))),
            None
        );
    }

    #[test]
    fn no_letter_between_two_threads_is_lost() {
        const ROUNDS: u32 = 20_000;
        let (there, back) = (Parker::new(), Parker::new());
        std::thread::scope(|s| {
            s.spawn(|| {
                for i in 0..ROUNDS {
                    assert_eq!(there.wait(None), Some(i));
                    back.post(i);
                }
            });
            for i in 0..ROUNDS {
                there.post(i);
                assert_eq!(back.wait(None), Some(i));
            }
        });
    }
}
