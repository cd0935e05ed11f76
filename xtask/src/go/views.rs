//! Asks Go's trace viewer for its pages, as a browser would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{ViewProblem, XtaskError};
use crate::process::start;

/// How long the viewer may take to read the trace.
const STARTUP: Duration = Duration::from_secs(60);

/// How long a page may take.
const PAGE: Duration = Duration::from_secs(60);

/// What each page's body must contain, and its address.
const PAGES: &[(&str, Content)] = &[
    ("/", Content::Html),
    ("/jsontrace", Content::Json),
    ("/goroutines", Content::Html),
    ("/userregions", Content::Html),
    ("/usertasks", Content::Html),
    ("/sched?raw=1", Content::Profile),
    ("/block?raw=1", Content::Profile),
];

/// What a page is.
#[derive(Clone, Copy, Debug)]
enum Content {
    Html,
    /// One object with a list of trace events.
    Json,
    /// A profile, compressed.
    Profile,
}

impl Content {
    fn fits(self, body: &[u8]) -> bool {
        let body = body.trim_ascii();
        match self {
            Self::Html => contains(body, b"<html") || contains(body, b"<!DOCTYPE html"),
            Self::Json => {
                body.starts_with(b"{") && body.ends_with(b"}") && contains(body, b"\"traceEvents\"")
            }
            Self::Profile => body.starts_with(&[0x1f, 0x8b]),
        }
    }
}

/// Serves a trace with Go's viewer and fetches its pages; returns how many
/// there were.
///
/// # Errors
///
/// [`XtaskError::View`] if a page does not come, is not what it should be, or
/// the viewer complains about the trace.
pub(crate) fn check_views(viewer: &Path, trace: &Path) -> Result<usize, XtaskError> {
    let mut server = Server::start(viewer, trace)?;
    let checked = server.check_pages();
    let stderr = server.stop();
    let problem = match checked {
        // A panic explains a page that did not come better than the page does.
        _ if complains(&stderr) => ViewProblem::Complaint { stderr },
        Ok(()) => return Ok(PAGES.len()),
        Err(problem) => problem,
    };
    Err(XtaskError::View {
        path: trace.to_path_buf(),
        problem,
    })
}

/// Whether the viewer said that something went wrong.
fn complains(stderr: &str) -> bool {
    stderr.contains("panic") || stderr.contains("Encountered error")
}

/// A running viewer, ended when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    /// The lines of its standard error as they come.
    lines: Receiver<String>,
    stderr: String,
}

impl Server {
    fn start(viewer: &Path, trace: &Path) -> Result<Self, XtaskError> {
        let address = free_address().map_err(|error| XtaskError::View {
            path: trace.to_path_buf(),
            problem: ViewProblem::Fetch { page: "/", error },
        })?;
        let mut command = Command::new(viewer);
        command
            .arg(format!("-http={address}"))
            .arg(trace)
            // It would open a browser; this program opens nothing.
            .env("BROWSER", "true")
            .env_remove("DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| start(&command, error))?;
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    // Nobody listens any more once the server is dropped.
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self {
            child,
            address,
            lines,
            stderr: String::new(),
        })
    }

    fn check_pages(&mut self) -> Result<(), ViewProblem> {
        self.wait_until_serving()?;
        for &(page, content) in PAGES {
            let response = fetch(self.address, page, PAGE)?;
            let (status, body) = split(&response);
            if status != b"200" {
                let end = response.iter().position(|&byte| byte == b'\n');
                let line = &response[..end.unwrap_or(response.len())];
                let line = String::from_utf8_lossy(line).trim_end().to_owned();
                return Err(ViewProblem::Status { page, line });
            }
            if !content.fits(body) {
                let start = &body[..body.len().min(200)];
                let start = String::from_utf8_lossy(start).into_owned();
                return Err(ViewProblem::Content { page, start });
            }
        }
        Ok(())
    }

    /// Waits for the line in which the viewer says that it listens.
    fn wait_until_serving(&mut self) -> Result<(), ViewProblem> {
        let deadline = Instant::now() + STARTUP;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let serving = line.contains("listening on");
                    self.note(&line);
                    if serving {
                        return Ok(());
                    }
                }
                // The time is over, or the viewer has ended.
                Err(_) => {
                    let stderr = self.stderr.clone();
                    return Err(ViewProblem::NotServing { stderr });
                }
            }
        }
    }

    fn note(&mut self, line: &str) {
        self.stderr.push_str(line);
        self.stderr.push('\n');
    }

    /// Ends the viewer and returns all that it said.
    fn stop(mut self) -> String {
        self.end();
        // Its end closed the pipe, so this ends, too.
        while let Ok(line) = self.lines.recv() {
            self.note(&line);
        }
        std::mem::take(&mut self.stderr)
    }

    fn end(&mut self) {
        // It may have ended by itself, which is what we are after.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// An address on this machine that nothing listens at, for now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// Fetches a page with its status line and headers.
fn fetch(address: SocketAddr, page: &'static str, limit: Duration) -> Result<Vec<u8>, ViewProblem> {
    let deadline = Instant::now() + limit;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ViewProblem::Timeout {
            page,
            waited: limit,
        },
        _ => ViewProblem::Fetch { page, error },
    };
    let mut stream = TcpStream::connect_timeout(&address, limit).map_err(failed)?;
    let request = format!("GET {page} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut response = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(failed(io::ErrorKind::TimedOut.into()));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(response),
            Ok(read) => response.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// The status and the body of a response; either is empty if there is none.
fn split(response: &[u8]) -> (&[u8], &[u8]) {
    let gap = b"\r\n\r\n";
    let body = response
        .windows(gap.len())
        .position(|window| window == gap)
        .map_or(&[][..], |at| &response[at + gap.len()..]);
    let mut words = response.split(|&byte| byte == b' ');
    match words.next() {
        Some(protocol) if protocol.starts_with(b"HTTP/") => (words.next().unwrap_or(&[]), body),
        _ => (&[], body),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses() {
        let whole = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>\r\n\r\n";
        assert_eq!(split(whole), (&b"200"[..], &b"<html>\r\n\r\n"[..]));
        assert_eq!(split(b"HTTP/1.0 500 Oops\r\n\r\n"), (&b"500"[..], &b""[..]));
        assert_eq!(split(b"HTTP/1.0 200 OK\r\n"), (&b"200"[..], &b""[..]));
        assert_eq!(split(b"nonsense"), (&b""[..], &b""[..]));
        assert_eq!(split(b""), (&b""[..], &b""[..]));
    }

    #[test]
    fn contents() {
        assert!(Content::Html.fits(b"\n<!DOCTYPE html>\n<title>Regions"));
        assert!(Content::Html.fits(b"<html>"));
        assert!(!Content::Html.fits(b"404 page not found"));
        assert!(Content::Json.fits(b"{\"traceEvents\":[]}\n"));
        assert!(!Content::Json.fits(b"{\"traceEvents\":[{"));
        assert!(!Content::Json.fits(b"{}"));
        assert!(Content::Profile.fits(&[0x1f, 0x8b, 8, 0]));
        assert!(!Content::Profile.fits(b""));
        assert!(complains("2026/01/01 http: panic serving 127.0.0.1"));
        assert!(!complains("Splitting trace for viewer..."));
    }

    /// Answers one request with these bytes, or never if there are none.
    fn answer(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /page HTTP/1.0\r\n"));
            if !bytes.is_empty() {
                stream.write_all(bytes).unwrap();
                return;
            }
            // Until the other side gives up.
            let _ = stream.read(&mut request);
        });
        address
    }

    #[test]
    fn fetching() {
        let address = answer(b"HTTP/1.0 200 OK\r\n\r\nbody");
        let response = fetch(address, "/page", Duration::from_secs(30)).unwrap();
        assert_eq!(split(&response).1, b"body");
        let address = answer(b"");
        assert!(matches!(
            fetch(address, "/page", Duration::from_millis(20)),
            Err(ViewProblem::Timeout { .. })
        ));
        let nobody = free_address().unwrap();
        assert!(matches!(
            fetch(nobody, "/page", Duration::from_secs(30)),
            Err(ViewProblem::Fetch { .. })
        ));
    }

    /// A "viewer" that ends at once is told from one that serves.
    #[test]
    fn a_viewer_that_does_not_serve() {
        for program in ["false", "true"] {
            let checked = check_views(Path::new(program), Path::new("no.trace"));
            assert!(matches!(
                checked,
                Err(XtaskError::View {
                    problem: ViewProblem::NotServing { .. },
                    ..
                })
            ));
        }
    }
}
