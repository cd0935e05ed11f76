//! How much memory a command may take: what was asked for, or half of what there is.

use std::fs;

use trace_tools::memory;

/// Reads a number of bytes: a number, and what it is to be multiplied by, in powers of
/// 1024.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let bad = || "it has to be a number of bytes, or one of K, M, G or T, as in 500M".to_owned();
    let upper = text.trim().to_ascii_uppercase();
    let number = upper.trim_end_matches("IB").trim_end_matches('B');
    let (digits, shift) = match number.as_bytes().last() {
        Some(b'K') => (&number[..number.len() - 1], 10),
        Some(b'M') => (&number[..number.len() - 1], 20),
        Some(b'G') => (&number[..number.len() - 1], 30),
        Some(b'T') => (&number[..number.len() - 1], 40),
        _ => (number, 0),
    };
    let number: usize = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// Bounds what is taken from now on.
pub(super) fn bound(asked: Option<usize>) {
    if let Some(bytes) = asked.or_else(|| there().map(|bytes| bytes / 2)) {
        memory::limit(bytes);
    }
}

/// How much there is for this process, as far as the system tells: the machine's
/// memory, less if a control group or a limit of the process says so.
fn there() -> Option<usize> {
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib = line.trim().strip_suffix(" kB")?.parse::<usize>().ok()?;
        kib.checked_mul(1024)
    });
    let process = read("/proc/self/limits").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Max address space"))?;
        line.split_whitespace().next()?.parse().ok()
    });
    let groups = read("/proc/self/cgroup").map_or_else(Vec::new, |text| groups(&text));
    let groups = groups
        .iter()
        .filter_map(|path| read(path)?.trim().parse().ok());
    machine.into_iter().chain(process).chain(groups).min()
}

/// The files that say how much memory a control group may have: those of the groups
/// of a process, and of the groups that these are in.
fn groups(text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in text.lines() {
        // "0::/a/b" or, in the older form, "7:memory:/a/b".
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            files.push(format!("{root}{path}/{file}"));
            match path.rfind('/') {
                Some(at) => path = &path[..at],
                None => break,
            }
        }
    }
    files
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("64K", 64 << 10),
            ("500m", 500 << 20),
            ("2GiB", 2 << 30),
            ("1TB", 1 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "1.5G", "-1", "1X", "99999999999T", "KM"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn groups_and_those_that_they_are_in() {
        let new = groups("0::/user.slice/a.scope\n");
        assert_eq!(
            new,
            [
                "/sys/fs/cgroup/user.slice/a.scope/memory.max",
                "/sys/fs/cgroup/user.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        let old = groups("8:cpu,cpuacct:/x\n7:memory:/docker/1\n1:name=systemd:/\nnonsense");
        assert_eq!(
            old,
            [
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
        assert_eq!(groups("0::/"), ["/sys/fs/cgroup/memory.max"]);
    }

    /// A system that tells has at least the memory that this test needs.
    #[test]
    fn there_is_some() {
        assert!(there().is_none_or(|bytes| bytes > 1 << 20));
    }
}
