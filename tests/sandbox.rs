//! A process in the sandbox, seen from outside through /proc, and what it can still do, tried by itself.
//!
//! The process is this test program, started again with [`TOLD`] in its environment to run [`inside`] alone: on one thread,
//! as the sandbox asks, which the usual harness cannot give. What takes root says so and is left out without.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use libtest_mimic::{Arguments, Trial};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use stp_audit::sandbox::{choose, Plan, SandboxError, Sudo};
use tempfile::TempDir;

/// Tells the started program where its folder is; the other variables belong to it.
const TOLD: &str = "STP_AUDIT_TEST_FOLDER";
/// Whom to become.
const USER: &str = "STP_AUDIT_TEST_USER";
/// Where to report by datagrams.
const PARENT: &str = "STP_AUDIT_TEST_PARENT";

const EPERM: &str = "error 1";
const EACCES: &str = "error 13";

fn main() {
    if let Some(place) = std::env::var_os(TOLD) {
        return inside(Path::new(&place));
    }
    let tests: [(&str, fn()); 6] = [
        (
            "without_root_a_process_stays_who_it_is_and_is_confined",
            without_root_a_process_stays_who_it_is_and_is_confined,
        ),
        ("root_becomes_who_called_sudo", root_becomes_who_called_sudo),
        ("root_becomes_whom_it_is_told", root_becomes_whom_it_is_told),
        (
            "who_cannot_write_in_the_folder_is_refused_by_name_and_nothing_is_done",
            who_cannot_write_in_the_folder_is_refused_by_name_and_nothing_is_done,
        ),
        (
            "somebody_else_cannot_be_become_without_root",
            somebody_else_cannot_be_become_without_root,
        ),
        (
            "a_second_thread_would_stay_outside",
            a_second_thread_would_stay_outside,
        ),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a test that takes root is to go on.
fn root_or_skip(test: &str) -> bool {
    if !is_root() {
        eprintln!("skipped: {test} takes root");
    }
    is_root()
}

/// A place that others reach too: the program, a folder `out` open to all, and one `elsewhere` that is open as well.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(place.path(), 0o755);
    for folder in ["out", "elsewhere"] {
        let folder = place.path().join(folder);
        fs::create_dir(&folder).unwrap();
        // As /tmp: what is there is renamed by its owner alone.
        open(&folder, 0o1777);
    }
    fs::write(place.path().join("known"), "words").unwrap();
    // By another process: a test that starts its program just then would inherit a file open for writing, and what is open
    // for writing cannot be run.
    let copied = Command::new("cp")
        .arg(std::env::current_exe().unwrap())
        .arg(place.path().join("program"))
        .status();
    assert!(copied.unwrap().success());
    open(&place.path().join("program"), 0o755);
    place
}

/// The program again, to run [`inside`].
fn program(place: &TempDir) -> Command {
    let mut program = Command::new(place.path().join("program"));
    program
        .env(TOLD, place.path())
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .current_dir("/");
    program
}

struct Inside {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Inside {
    fn start(mut program: Command) -> Self {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// What it says as `= name: words`, up to the name given.
    fn said_until(&mut self, last: &str) -> BTreeMap<String, String> {
        let mut said = BTreeMap::new();
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if let Some((_, told)) = line.trim_end().split_once("= ") {
                let (name, words) = told.split_once(": ").unwrap();
                said.insert(name.to_owned(), words.to_owned());
                if name == last {
                    return said;
                }
            }
            line.clear();
        }
        panic!("it ended before it said {last}: {said:?}");
    }

    fn status(&self) -> BTreeMap<String, String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let lines = status.lines().filter_map(|line| line.split_once(":\t"));
        lines
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// Lets it go on, and waits for its end.
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn told<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("error {number}"),
            None => error.to_string(),
        },
    }
}

/// What the started program runs.
fn inside(place: &Path) {
    let say = |name: &str, words: String| {
        let mut out = std::io::stdout();
        writeln!(out, "= {name}: {words}").unwrap();
        out.flush().unwrap();
    };
    let out = place.join("out");
    let asked = std::env::var(USER).ok();
    let sudo = (
        std::env::var("SUDO_UID").ok(),
        std::env::var("SUDO_GID").ok(),
    );
    let sudo = Sudo {
        uid: sudo.0.as_deref(),
        gid: sudo.1.as_deref(),
    };
    let parent = std::env::var(PARENT).ok();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut first = fs::File::create(out.join("first.part")).unwrap();
    let user = choose(asked.as_deref(), sudo, std::slice::from_ref(&out));
    let entered = user.and_then(|user| {
        let plan = Plan {
            user,
            writable: vec![out.clone()],
            readable: vec![place.join("known"), place.join("not there")],
            hand_over: vec![first.try_clone().unwrap().into()],
        };
        plan.enter()
    });
    let entered = match entered {
        Ok(entered) => entered,
        Err(error) => {
            say("refused", error.to_string());
            return;
        }
    };
    say("entered", entered.to_string());
    say("bounding", entered.bounding.to_string());

    say("write on", told(first.write_all(b"more")));
    say("cut", told(first.set_len(2)));
    say(
        "rename",
        told(fs::rename(out.join("first.part"), out.join("first"))),
    );
    say("read again", told(fs::read(out.join("first"))));
    say("make", told(fs::write(out.join("second"), "2")));
    say("list", told(fs::read_dir(&out)));
    say("remove", told(fs::remove_file(out.join("second"))));
    let elsewhere = place.join("elsewhere");
    say("make elsewhere", told(fs::write(elsewhere.join("x"), "")));
    say(
        "rename elsewhere",
        told(fs::rename(out.join("first"), elsewhere.join("first"))),
    );
    say(
        "make a link",
        told(std::os::unix::fs::symlink(&elsewhere, out.join("link"))),
    );
    say("through a link", told(fs::write(out.join("way-out/x"), "")));
    say("read what was named", told(fs::read(place.join("known"))));
    say("read elsewhere", told(fs::read("/etc/passwd")));
    say("start a program", told(Command::new("/bin/true").spawn()));
    say("new socket", told(UdpSocket::bind("127.0.0.1:0")));
    say("new pair", told(std::os::unix::net::UnixStream::pair()));
    say(
        "change a mode",
        told(fs::set_permissions(
            out.join("first"),
            fs::Permissions::from_mode(0o600),
        )),
    );
    say(
        "signal others",
        told(
            rustix::process::kill_process(
                rustix::process::getppid().unwrap(),
                rustix::process::Signal::CONT,
            )
            .map_err(Into::into),
        ),
    );
    say(
        "root again",
        told(nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).map_err(Into::into)),
    );
    say(
        "a thread",
        std::thread::spawn(|| "done".to_owned()).join().unwrap(),
    );
    if let Some(parent) = parent {
        say("send", told(socket.send_to(b"x", parent)));
    }
    say("at", socket.local_addr().unwrap().to_string());
    let mut datagram = [0; 16];
    say("receive", told(socket.recv(&mut datagram)));
    // A thread made inside is inside.
    let thread = std::thread::spawn(move || told(fs::write(elsewhere.join("z"), "")));
    say("a thread's reach", thread.join().unwrap());
    say("ready", std::process::id().to_string());
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// What everybody finds inside.
fn confined(inside: &mut Inside) -> BTreeMap<String, String> {
    let mut said = inside.said_until("at");
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"packet", &said["at"]).unwrap();
    said.extend(inside.said_until("ready"));
    for (tried, came) in [
        ("write on", "done"),
        ("cut", "done"),
        ("rename", "done"),
        ("read again", "done"),
        ("make", "done"),
        ("list", "done"),
        ("remove", "done"),
        ("make elsewhere", EACCES),
        ("rename elsewhere", EACCES),
        ("make a link", EACCES),
        ("through a link", EACCES),
        ("read what was named", "done"),
        ("read elsewhere", EACCES),
        ("start a program", EPERM),
        ("new socket", EPERM),
        ("new pair", EPERM),
        ("change a mode", EPERM),
        ("signal others", EPERM),
        ("root again", EPERM),
        ("a thread", "done"),
        ("receive", "done"),
        ("send", EPERM),
        ("a thread's reach", EACCES),
    ] {
        assert_eq!(said[tried], came, "{tried} of {said:#?}");
    }
    let status = inside.status();
    for (field, value) in [
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ] {
        assert_eq!(status[field], value, "{field}");
    }
    said
}

/// A link that leads out of the output folder, and a socket to send to.
fn with_ways_out(mut program: Command, place: &TempDir) -> (Command, UdpSocket) {
    let link = place.path().join("out/way-out");
    std::os::unix::fs::symlink(place.path().join("elsewhere"), link).unwrap();
    let parent = UdpSocket::bind("127.0.0.1:0").unwrap();
    program.env(PARENT, parent.local_addr().unwrap().to_string());
    (program, parent)
}

fn without_root_a_process_stays_who_it_is_and_is_confined() {
    let place = place();
    let mut program = program(&place);
    if is_root() {
        // Sixty-five thousand and so: nobody, nowhere in the list of users.
        program.uid(65_000).gid(65_001);
    }
    let (program, _parent) = with_ways_out(program, &place);
    let mut inside = Inside::start(program);
    let said = confined(&mut inside);
    let out = place.path().join("out");
    assert_eq!(
        said["entered"],
        format!(
            "sandbox: no capabilities, no exec, no new sockets, writing in {} alone",
            out.display()
        )
    );
    assert_eq!(said["bounding"], "false");
    if is_root() {
        assert_eq!(inside.status()["Uid"], "65000\t65000\t65000\t65000");
    }
    inside.end();
}

fn root_becomes_who_called_sudo() {
    if !root_or_skip("becoming who called sudo") {
        return;
    }
    let place = place();
    let mut program = program(&place);
    program.env("SUDO_UID", "65010").env("SUDO_GID", "65011");
    let (program, _parent) = with_ways_out(program, &place);
    let mut inside = Inside::start(program);
    let said = confined(&mut inside);
    assert!(said["entered"].starts_with("sandbox: user 65010 (uid 65010), "));
    let status = inside.status();
    assert_eq!(status["Uid"], "65010\t65010\t65010\t65010");
    assert_eq!(status["Gid"], "65011\t65011\t65011\t65011");
    assert_eq!(status["Groups"], "65011");
    assert_eq!(status["CapBnd"], "0000000000000000");
    assert_eq!(said["bounding"], "true");
    // The file root had made is theirs.
    let first = fs::metadata(place.path().join("out/first")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((first.uid(), first.gid(), first.len()), (65_010, 65_011, 2));
    inside.end();
}

fn root_becomes_whom_it_is_told() {
    if !root_or_skip("becoming another user") {
        return;
    }
    for (user, uid) in [("nobody", "65534"), ("65534", "65534"), ("root", "0")] {
        let place = place();
        let mut program = program(&place);
        program.env(USER, user).env("SUDO_UID", "65010");
        let mut inside = Inside::start(program);
        inside.said_until("at");
        let status = inside.status();
        assert_eq!(status["Uid"], [uid; 4].join("\t"));
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status[set], "0000000000000000", "{user} {set}");
        }
    }
}

fn who_cannot_write_in_the_folder_is_refused_by_name_and_nothing_is_done() {
    if !root_or_skip("refusing a user") {
        return;
    }
    let place = place();
    let out = place.path().join("out");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
    let mut inside = Inside::start({
        let mut program = program(&place);
        program.env(USER, "nobody");
        program
    });
    let said = inside.said_until("refused");
    assert_eq!(
        said["refused"],
        format!(
            "{}: user nobody (uid 65534) cannot write there, and that is who goes on once the interface is open; \
             give another with -Z USER (-Z root stays root, without its capabilities), or choose another folder",
            out.display()
        )
    );
    inside.end();
    let mut inside = Inside::start({
        let mut program = program(&place);
        program.env(USER, "no-such-user");
        program
    });
    let said = inside.said_until("refused");
    assert!(said["refused"].starts_with("there is no user no-such-user: "));
}

fn somebody_else_cannot_be_become_without_root() {
    let place = place();
    let mut program = program(&place);
    if is_root() {
        program.uid(65_000).gid(65_001);
    }
    program.env(USER, "root");
    let said = Inside::start(program).said_until("refused");
    assert_eq!(
        said["refused"],
        "-Z root: only root can become another user; without -Z it stays yours"
    );
}

fn a_second_thread_would_stay_outside() {
    let (_hold, held) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || held.recv());
    let error = Plan::default().enter().unwrap_err();
    assert!(
        matches!(error, SandboxError::Threads { count } if count > 1),
        "{error}"
    );
    // Nothing was done: files can be made, programs started.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), "").unwrap();
    assert!(Command::new("true").status().unwrap().success());
    let missing = fs::read(folder.path().join("y")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
