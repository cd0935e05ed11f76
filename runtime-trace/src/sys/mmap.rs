//! Pages from anonymous, private `mmap`.

use core::ptr::{self, NonNull};

use super::Backing;

#[cfg(target_os = "linux")]
const POPULATE: libc::c_int = libc::MAP_POPULATE;
#[cfg(not(target_os = "linux"))]
const POPULATE: libc::c_int = 0;

/// Maps `len` bytes, zeroed and readable and writable by this process only, from
/// the start of a page. `None` when the system has no memory to give.
///
/// `len` is more than 0. The system makes whole pages of it, here and below, so
/// the rest of the last page is wasted: see [`taken_by`].
pub(crate) fn map(len: usize, backing: Backing) -> Option<NonNull<u8>> {
    let populate = match backing {
        Backing::Later => 0,
        // If there is no memory for all of them, they are mapped all the same.
        Backing::Now => POPULATE,
    };
    // SAFETY: an anonymous private mapping at an address of the kernel's
    // choosing aliases no memory of this process, whatever `len` is.
    let at = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | populate,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(at.cast())
}

/// Has the system fill these bytes with zeroes in a child of `fork`, if it knows
/// how.
///
/// # Safety
///
/// `at` and `len` are those of one call of [`map`], not given back before, and
/// zeroes are a value of whatever lies there.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn wipe_on_fork(at: NonNull<u8>, len: usize) {
    // SAFETY: the caller passes a private anonymous mapping of ours. An old
    // kernel refuses, and nothing changes.
    unsafe { libc::madvise(at.as_ptr().cast(), len, libc::MADV_WIPEONFORK) };
}

/// Gives back what [`map`] returned.
///
/// # Safety
///
/// `at` and `len` are those of one call of [`map`], not given back before, and
/// nothing refers into these bytes any more.
pub(crate) unsafe fn unmap(at: NonNull<u8>, len: usize) {
    // SAFETY: the caller passes a whole mapping of ours that nobody uses. The
    // only errors are bad arguments, which that excludes.
    unsafe { libc::munmap(at.as_ptr().cast(), len) };
}

/// What a mapping of `len` bytes takes from the system, bytes.
///
/// Pages have 4, 16 or 64 KiB on most systems, and more on some.
pub(crate) fn taken_by(len: usize) -> usize {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Every system knows it; if one did not, `len` would do.
    in_pages(len, usize::try_from(page).unwrap_or(1))
}

/// `len` bytes in whole pages of `page` bytes.
fn in_pages(len: usize, page: usize) -> usize {
    len.checked_next_multiple_of(page).unwrap_or(len)
}

/// How many pages are there of those from that of `at` on, `len` bytes in all that
/// are mapped, and how many these are. For tests.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn resident(at: NonNull<u8>, len: usize) -> (usize, usize) {
    // A byte for each page, which has 4 KiB at least.
    let mut pages = [2; crate::pages::BLOCK_SIZE / 4096];
    assert!(len <= pages.len() * 4096);
    let at = at.as_ptr().map_addr(|at| at - at % taken_by(1));
    // SAFETY: there is room for an answer to each page.
    let asked = unsafe { libc::mincore(at.cast(), len, &mut pages[0]) };
    assert_eq!(asked, 0);
    let count = |wanted: fn(u8) -> bool| pages.iter().filter(|page| wanted(**page)).count();
    (count(|page| page == 1), count(|page| page != 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::BLOCK_SIZE;

    #[cfg(target_os = "linux")]
    #[test]
    fn pages_are_backed_now_or_later() {
        for (backing, is_there) in [(Backing::Now, true), (Backing::Later, false)] {
            let at = map(BLOCK_SIZE, backing).unwrap();
            let (there, all) = resident(at, BLOCK_SIZE);
            assert!(all > 0);
            assert_eq!(there, if is_there { all } else { 0 }, "{backing:?}");
            // SAFETY: mapped above, and used no more.
            unsafe { unmap(at, BLOCK_SIZE) };
        }
    }

    /// Up to pages of a block's size nothing is wasted; then blocks are as large
    /// as pages.
    #[test]
    fn blocks_in_pages_of_every_size() {
        for (page_kib, taken_kib) in [
            (4, 64),
            (8, 64),
            (16, 64),
            (64, 64),
            (128, 128),
            (256, 256),
            (1024, 1024),
        ] {
            let taken = in_pages(BLOCK_SIZE, page_kib << 10);
            assert_eq!(taken, taken_kib << 10, "pages of {page_kib} KiB");
        }
        // What this system has is one of these.
        assert!((64 << 10..=1 << 20).contains(&taken_by(BLOCK_SIZE)));
    }
}
