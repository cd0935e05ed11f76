//! What the programs of this package share: the few things that they ask of the
//! operating system, and what a program without `std` owes the compiler.

#![no_std]

pub mod checkpoints;
pub mod posix;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    posix::complain(&info);
    posix::abort()
}

/// The precompiled `core` has tables for unwinding that name this function.
/// Nothing unwinds, since a panic aborts, so it is never called.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
