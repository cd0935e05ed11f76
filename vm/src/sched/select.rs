//! `select`: waiting for several channels at once.
//!
//! The task locks all the channels, in the order of their addresses, so that
//! what it finds is true of all of them at one moment. It tries its arms in
//! random order and takes the first that is ready. If none is, it enters the
//! queues of all of them, and its proc's sleepers if there is an `after`; only when it
//! is marked as waiting are the locks given back. Whoever then wakes it has
//! claimed its [ticket](crate::ticket) and takes it out of the other queues.

use std::sync::Arc;
use std::time::Duration;

use weft::op::Instr;

use super::Proc;
use super::effects::Flow;
use super::worker::Worker;
use crate::bury::bury;
use crate::channel::{Channel, Offered, Place, Polled, Receiver, State};
use crate::copy::Message;
use crate::fault::Fault;
use crate::state::Owner;
use crate::task::{Body, Task, Wait};
use crate::ticket::{Selecting, Ticket, Waiter};
use crate::value::Value;

/// The arms of a `select`, sorted out.
#[derive(Default)]
struct Arms {
    /// Those that wait for a channel.
    channels: Vec<Arm>,
    /// The shortest `after`.
    after: Option<(Duration, u32)>,
    /// The `else`.
    otherwise: Option<u32>,
}

struct Arm {
    channel: Arc<Channel>,
    what: What,
    /// Its instruction; its body is behind the next one.
    pc: u32,
}

enum What {
    /// To receive into a register.
    Receive(u8),
    /// To send a message, as long as it has not been sent.
    Send(Option<Message>),
}

/// What a ready arm leaves to be done.
enum Ready {
    Sent(Option<(Receiver, Message)>),
    Received(u8, Message, Option<Waiter>),
    Closed(u8),
    Failed(Fault),
}

impl<'s> Worker<'_, 's> {
    #[inline(never)]
    pub(super) fn select<'t>(
        &mut self,
        proc: &mut Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        count: u8,
    ) -> Flow<'t> {
        let mut arms = match self.arms(&mut owner, count) {
            Ok(arms) => arms,
            Err((pc, fault)) => {
                owner.get_mut().go_on_at(pc);
                return Flow::Failed(owner, fault);
            }
        };
        self.shuffle(&mut arms.channels);
        let channels = in_order(&arms.channels);
        let mut locked: Vec<_> = channels.iter().map(|channel| channel.lock()).collect();
        let ready = arms.channels.iter_mut().find_map(|arm| {
            let state = &mut locked[place(&channels, &arm.channel)];
            arm.what.attempt(state).map(|ready| (arm.pc, ready))
        });
        let flow = match (ready, arms.otherwise) {
            (Some((pc, ready)), _) => {
                drop(locked);
                self.take_arm(proc, task, owner, pc, ready)
            }
            (None, Some(pc)) => {
                drop(locked);
                owner.get_mut().go_on_at(pc + 1);
                Flow::Run(owner)
            }
            (None, None) => {
                let ticket = Arc::new(Ticket::default());
                let places = arms.channels.iter_mut().filter_map(|arm| {
                    let waiter = Waiter::select(task, &ticket, arm.pc + 1);
                    let state = &mut locked[place(&channels, &arm.channel)];
                    let place = arm.what.wait(state, waiter)?;
                    Some((Arc::clone(&arm.channel), place))
                });
                let places = places.collect();
                let timer = arms.after.map(|(duration, pc)| {
                    let clock = &self.shared.clock;
                    let wakes = (duration, pc + 1);
                    proc.core.timers.add_select(clock, task, &ticket, wakes)
                });
                owner.get_mut().selecting = Some(Box::new(Selecting {
                    channels: places,
                    timer: timer.as_ref().map(|&(_, place)| place),
                }));
                self.block(proc, task, owner, Wait::Select);
                drop(timer);
                drop(locked);
                Flow::Gone
            }
        };
        bury(arms.channels.into_iter().filter_map(|arm| match arm.what {
            What::Send(message) => message,
            What::Receive(_) => None,
        }));
        flow
    }

    /// Looks at the operands of all arms, in their order.
    ///
    /// # Errors
    /// The arm whose operand has the wrong type.
    fn arms(&self, owner: &mut Owner<'_, Body>, count: u8) -> Result<Arms, (u32, Fault)> {
        let mut arms = Arms::default();
        let Some(&frame) = owner.get().frames.last() else {
            return Ok(arms);
        };
        let code = &self.shared.env.code.function(frame.function).code;
        for i in 0..u32::from(count) {
            let pc = frame.pc + 1 + 2 * i;
            let at = |fault| (pc, fault);
            match code[pc as usize] {
                Instr::ArmRecv { dst, channel } => arms.channels.push(Arm {
                    channel: self.channel(owner, channel, "`recv`").map_err(at)?,
                    what: What::Receive(dst.0),
                    pc,
                }),
                Instr::ArmSend { channel, value } => {
                    let channel = self.channel(owner, channel, "`send`").map_err(at)?;
                    let value = *owner.get_mut().register(value.0);
                    let message = Message::pack(&owner.get().heap, value);
                    arms.channels.push(Arm {
                        channel,
                        what: What::Send(Some(message)),
                        pc,
                    });
                }
                Instr::ArmAfter { millis } => {
                    let duration = self.duration(owner, millis, "`after`").map_err(at)?;
                    if arms.after.is_none_or(|(shortest, _)| duration < shortest) {
                        arms.after = Some((duration, pc));
                    }
                }
                Instr::ArmElse {} => arms.otherwise = Some(pc),
                // A panic here is caught, and ends the program as a fault of ours.
                other => unreachable!("the compiler puts no {other:?} among the arms"),
            }
        }
        Ok(arms)
    }

    /// Any order is as likely as any other (Fisher and Yates), as far as the
    /// remainder of a 32-bit number is.
    fn shuffle(&mut self, arms: &mut [Arm]) {
        for i in (1..arms.len()).rev() {
            arms.swap(i, self.random() as usize % (i + 1));
        }
    }

    /// Does what is left to do for an arm that was ready, and goes on with its
    /// body.
    fn take_arm<'t>(
        &self,
        proc: &mut Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        pc: u32,
        ready: Ready,
    ) -> Flow<'t> {
        match ready {
            Ready::Sent(None) => {}
            Ready::Sent(Some((receiver, message))) => {
                let woken = self.hand(proc, self.here(task, &owner), receiver, |heap| {
                    message.unpack(heap)
                });
                self.ready(proc, woken);
            }
            Ready::Received(into, message, sender) => {
                if let Some(sender) = sender {
                    let here = self.here(task, &owner);
                    self.wake(proc, Some(here), &sender, sender.resume());
                    self.ready(proc, sender.task);
                }
                let body = owner.get_mut();
                *body.register(into) = message.unpack(&mut body.heap);
            }
            Ready::Closed(into) => *owner.get_mut().register(into) = Value::NIL,
            Ready::Failed(fault) => {
                owner.get_mut().go_on_at(pc);
                return Flow::Failed(owner, fault);
            }
        }
        owner.get_mut().go_on_at(pc + 1);
        Flow::Run(owner)
    }

    /// Takes a task, whose ticket has been claimed, out of all queues. No lock
    /// is held meanwhile.
    #[cold]
    pub(super) fn leave_queues(&self, selecting: &Selecting) {
        for (channel, place) in &selecting.channels {
            channel.forget(*place);
        }
        if let Some(timer) = selecting.timer {
            self.shared.cancel_sleep(timer);
        }
    }
}

impl What {
    /// Does it, if it need not wait.
    fn attempt(&mut self, state: &mut State) -> Option<Ready> {
        match self {
            What::Receive(into) => match state.poll() {
                Polled::Message(message, sender) => Some(Ready::Received(*into, message, sender)),
                Polled::Closed => Some(Ready::Closed(*into)),
                Polled::Empty => None,
            },
            What::Send(slot) => match state.offer(slot.take()?) {
                Ok(Offered::Buffered) => Some(Ready::Sent(None)),
                Ok(Offered::Hand(receiver, message)) => {
                    Some(Ready::Sent(Some((receiver, message))))
                }
                Ok(Offered::Full(message)) => {
                    *slot = Some(message);
                    None
                }
                Err(fault) => Some(Ready::Failed(fault)),
            },
        }
    }

    /// Enters the channel's queue.
    fn wait(&mut self, state: &mut State, waiter: Waiter) -> Option<Place> {
        match self {
            What::Receive(into) => Some(state.wait_to_receive(waiter, *into)),
            What::Send(slot) => Some(state.wait_to_send(waiter, slot.take()?)),
        }
    }
}

/// The channels of all arms, each once, in the order in which they are locked.
fn in_order(arms: &[Arm]) -> Vec<Arc<Channel>> {
    let mut channels: Vec<_> = arms.iter().map(|arm| Arc::clone(&arm.channel)).collect();
    channels.sort_unstable_by_key(Arc::as_ptr);
    channels.dedup_by(|a, b| Arc::ptr_eq(a, b));
    channels
}

fn place(channels: &[Arc<Channel>], channel: &Arc<Channel>) -> usize {
    channels
        .binary_search_by_key(&Arc::as_ptr(channel), Arc::as_ptr)
        .unwrap_or_default()
}
