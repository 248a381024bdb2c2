//! The Debian package: built by `cargo deb` as `make deb` builds it, unpacked and run; and, where root can lay a file system over
//! this machine's, installed by dpkg with its scripts, used, and removed. And the service, as systemd reads it.
//!
//! Each part says what it lacks where it is left out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = env!("CARGO_BIN_EXE_stp-audit");
const UNIT: &str = "packaging/stp-audit-capture@.service";

/// Whether a program is there; a line says so where it is not.
fn there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("skipped: {program} is absent");
    }
    there
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn text(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

/// Where `make deb` keeps cargo-deb, after what is on the path.
fn path() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let kept = Path::new(HERE).join("target/tools/bin");
    let all = std::env::split_paths(&path).chain([kept]);
    std::env::join_paths(all).unwrap()
}

/// The package of the program these tests are for.
fn package(folder: &Path) -> Option<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.env("PATH", path()).current_dir(HERE);
    let version = cargo.args(["deb", "--version"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("skipped: cargo-deb is absent; `make deb` brings it");
        return None;
    }
    if !there("dpkg-deb") {
        return None;
    }
    // As though built for release: the package's list names it there.
    let built = folder.join("built/release");
    fs::create_dir_all(&built).unwrap();
    fs::copy(PROGRAM, built.join("stp-audit")).unwrap();
    run(Command::new("packaging/completions")
        .args([PROGRAM, "target/packaging"])
        .current_dir(HERE));
    let package = folder.join("stp-audit.deb");
    run(Command::new(env!("CARGO"))
        .args([
            "deb",
            "--no-build",
            "--locked",
            "--strip",
            "--fast",
            "--output",
        ])
        .arg(&package)
        .env("PATH", path())
        .env("CARGO_TARGET_DIR", folder.join("built"))
        .current_dir(HERE));
    Some(package)
}

#[test]
fn the_package_is_whole_runs_and_installs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(package) = package(folder.path()) else {
        return;
    };
    let root = folder.path().join("root");
    run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root));
    unpacked(&root);
    let field = |name: &str| {
        let mut show = Command::new("dpkg-deb");
        text(show.arg("-f").arg(&package).arg(name))
            .trim()
            .to_owned()
    };
    assert_eq!(field("Package"), "stp-audit");
    let depends = field("Depends");
    for needed in ["adduser", "libcap2-bin", "libpcap0.8"] {
        assert!(depends.contains(needed), "{depends}");
    }
    installed(folder.path(), &package);
    served(folder.path(), &package);
}

/// What is in it is where Debian looks, and runs.
fn unpacked(root: &Path) {
    let mode = |path: &str| {
        let about = fs::metadata(root.join(path)).unwrap_or_else(|_| panic!("{path}"));
        about.permissions().mode() & 0o7777
    };
    assert_eq!(mode("usr/bin/stp-audit"), 0o755);
    // Closed, until its group is there and may open it.
    assert_eq!(mode("usr/bin/stp-audit-capture"), 0o750);
    for file in [
        "usr/share/bash-completion/completions/stp-audit",
        "usr/share/zsh/vendor-completions/_stp-audit",
        "usr/share/fish/vendor_completions.d/stp-audit.fish",
        "usr/share/doc/stp-audit/copyright",
        "usr/share/doc/stp-audit/README.md",
        "usr/lib/systemd/system/stp-audit-capture@.service",
        "etc/default/stp-audit-capture",
    ] {
        assert_eq!(mode(file), 0o644, "{file}");
        assert!(fs::metadata(root.join(file)).unwrap().len() > 100, "{file}");
    }
    for page in fs::read_dir(Path::new(HERE).join("man")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        mode(&format!("usr/share/man/man1/{name}.gz"));
    }
    let home = Path::new(HERE).join("fixtures/evening-wan.pcapng");
    let run = |program: &Path| {
        let mut infer = Command::new(program);
        text(infer.args(["infer", "--format", "json"]).arg(&home))
    };
    assert_eq!(
        run(&root.join("usr/bin/stp-audit")),
        run(Path::new(PROGRAM))
    );
    // Under its other name it records, and nothing else.
    let recorder = root.join("usr/bin/stp-audit-capture");
    let listed = text(Command::new(&recorder).arg("-D"));
    assert!(listed.contains("lo "), "{listed}");
    let refused = Command::new(&recorder).arg("infer").arg(&home).output();
    assert_eq!(refused.unwrap().status.code(), Some(2));
}

/// What becomes of a machine that installs it.
fn installed(folder: &Path, package: &Path) {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: installing takes root");
        return;
    }
    for program in ["unshare", "dpkg", "adduser", "setcap", "useradd"] {
        if !there(program) {
            return;
        }
    }
    let scratch = folder.join("scratch");
    fs::create_dir(&scratch).unwrap();
    let script = Path::new(HERE).join("tests/packaging/install.sh");
    let told = text(
        Command::new("unshare")
            .args(["-m", "--propagation", "private", "bash"])
            .arg(script)
            .arg(&scratch)
            .arg(package),
    );
    if told.starts_with("skipped: ") {
        print!("{told}");
        return;
    }
    let said = sorted(&told);
    for (of, words) in [
        ("everybodys", "-rwxr-xr-x root:root\n"),
        ("recorders", "-rwxr-x--- root:stp-audit\n"),
        ("capability", "/usr/bin/stp-audit-capture cap_net_raw=ep\n"),
        (
            "stranger",
            concat!("stp-audit ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
        ("the recording", "-rw------- member\n"),
        ("left of the programs", "nothing\n"),
        ("left of the settings", "/etc/default/stp-audit-capture\n"),
        ("left of the settings, purged", "nothing\n"),
    ] {
        assert_eq!(
            said.get(of).map(String::as_str),
            Some(words),
            "{of}: {told}"
        );
    }
    assert!(
        said["stranger records"].contains("Permission denied"),
        "{told}"
    );
    let recorded = &said["member records"];
    assert!(recorded.contains("3 packets recorded"), "{recorded}");
    assert!(recorded.contains("sandbox: no capabilities"), "{recorded}");
}

/// Each line `told` begins with what it tells of; several of one thing are put together.
fn sorted(told: &str) -> BTreeMap<&str, String> {
    let mut said: BTreeMap<&str, String> = BTreeMap::new();
    for line in told.lines() {
        let (of, words) = line.split_once(": ").unwrap_or(("", line));
        let lines = said.entry(of).or_default();
        *lines += words;
        lines.push('\n');
    }
    said
}

/// The service as a systemd runs it that is started for it, on a machine of its own as far as namespaces make one.
fn served(folder: &Path, package: &Path) {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: starting a systemd takes root");
        return;
    }
    let apart = "-mpnuiC --propagation private --fork --kill-child";
    let apart = || {
        // Should it not end by itself, it is ended.
        let mut timeout = Command::new("timeout");
        timeout.args(["-s", "KILL", "90", "unshare"]);
        timeout.args(apart.split(' '));
        timeout
    };
    let possible = apart().arg("true").output();
    if !possible.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: nobody may make all namespaces here");
        return;
    }
    for program in ["/lib/systemd/systemd", "dpkg", "adduser", "ip", "setcap"] {
        if !there(program) {
            return;
        }
    }
    let scratch = folder.join("booted");
    fs::create_dir(&scratch).unwrap();
    let script = Path::new(HERE).join("tests/packaging/boot.sh");
    let mut boot = apart();
    boot.arg("bash").arg(script).arg(&scratch).arg(package);
    // A machine that was switched off ends by a signal.
    let output = boot.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    if said.starts_with("skipped: ") {
        print!("{said}");
        return;
    }
    let told = scratch.join("told");
    let trial = fs::read_to_string(told.join("trial")).unwrap_or_default();
    let errors = fs::read_to_string(told.join("errors")).unwrap_or_default();
    assert!(told.join("whole").exists(), "{trial}{errors}{output:?}");
    let told = sorted(&trial);
    for (of, words) in [
        ("user", "stp-audit\n"),
        (
            "status",
            "CapEff: 0000000000000000\nCapAmb: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\n",
        ),
        ("ended", "success\n"),
        (
            "files",
            "drwxr-x--- stp-audit:stp-audit\n-rw-r----- stp-audit:stp-audit\n",
        ),
        ("recorded", "200 packets\n"),
        ("pulled out", "auto-restart\n"),
    ] {
        let said = told.get(of).map(String::as_str);
        assert_eq!(said, Some(words), "{of}: {trial}{errors}");
    }
}

#[test]
fn systemd_takes_the_service_and_finds_it_hardened() {
    if !there("systemd-analyze") {
        return;
    }
    // Verified as it will be installed, but for the program, which is not there yet.
    let folder = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(Path::new(HERE).join(UNIT)).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/stp-audit capture "));
    let unit = unit.replace("/usr/bin/stp-audit", PROGRAM);
    let unit = unit.replace("Documentation=man:stp-audit-capture(1)\n", "");
    let path = folder.path().join("stp-audit-capture@.service");
    fs::write(&path, unit).unwrap();
    let verified = run(Command::new("systemd-analyze").arg("verify").arg(&path));
    assert_eq!(String::from_utf8_lossy(&verified.stderr), "");

    // Of 10; what remains is the network itself, and CAP_NET_RAW.
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--threshold=20"]);
    run(security.arg(&path));
}

/// What the service is told is what the program takes.
#[test]
fn the_service_types_what_the_program_understands() {
    let unit = fs::read_to_string(Path::new(HERE).join(UNIT)).unwrap();
    let value = |key: &str| {
        let lines = unit.lines().filter_map(|line| line.strip_prefix(key));
        lines.map(str::to_owned).next().unwrap()
    };
    let ring = value("Environment=\"RING=");
    let typed = value("ExecStart=/usr/bin/stp-audit ")
        .replace("$RING", ring.trim_end_matches('"'))
        .replace("$OPTIONS", "")
        .replace("%i", "no-such-interface");
    let output = Command::new(PROGRAM)
        .args(typed.split_whitespace())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Neither usage (2) nor recorded (0): the interface is what is wrong.
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("no-such-interface"), "{said}");
}
