//! System calls, by seccomp: no program is started, no socket made, nothing sent, and the kernel's rarer doors stay shut.
//!
//! A list of what is refused, not of what is allowed: a libc of next year makes calls today's does not, and a capture that
//! runs for weeks must not die of that. What is refused fails with EPERM; libpcap and the standard library live with
//! it. Read, write, poll, and all that is done with the sockets open already, go on.

use crate::sandbox::error::SandboxError;
use libc::c_long;
use seccompiler::{
    apply_filter_all_threads, BpfProgram, SeccompAction, SeccompCmpArgLen as Width,
    SeccompCmpOp as Compare, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

/// Of Linux 6.6; not every libc has a name for it yet.
const FCHMODAT2: c_long = 452;

/// Refused whatever the arguments, on every architecture.
const REFUSED: &[c_long] = &[
    // Programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Sockets, and sending through those that are open: who records says nothing. Options too: the packet socket's are
    // set, and were a way into the kernel more than once.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_setsockopt,
    // A ring of requests runs calls past this filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    // The file system's shape, and what Landlock does not see: owners, modes, attributes, and, before its third version,
    // cutting files by name. Open files can still be cut.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_truncate,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel: its modules, programs, keys, counters, clock, names.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_personality,
    // Code that was data.
    libc::SYS_memfd_create,
];

/// Refused as well, where the architecture has them.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Calls of x32 on x86_64 bear this bit; a filter by number must name them apart.
const X32: c_long = 0x4000_0000;

/// Those that x32 has under numbers of its own (arch/x86/entry/syscalls/syscall_64.tbl of Linux): execve, ptrace, ioctl, sendmsg,
/// sendmmsg, process_vm_readv and _writev, setsockopt, execveat, kexec_load, rt_sigqueueinfo, rt_tgsigqueueinfo.
const ONLY_X32: [c_long; 12] = [520, 521, 514, 518, 538, 539, 540, 541, 545, 528, 524, 536];

/// Refuses them all, and says how many.
pub(super) fn refuse() -> Result<usize, SandboxError> {
    let process = rustix::process::getpid().as_raw_pid();
    let rules = rules(u64::from(process.unsigned_abs())).map_err(failed)?;
    let count = rules.keys().filter(|number| **number < X32).count();
    // Its arguments lie in memory, where a filter cannot look; told that the kernel is too old for it, libc makes threads by
    // clone, whose arguments can be seen.
    let too_new = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let second = filter(too_new, libc::ENOSYS).map_err(failed)?;
    let first = filter(rules, libc::EPERM).map_err(failed)?;
    apply_filter_all_threads(&second).map_err(failed)?;
    apply_filter_all_threads(&first).map_err(failed)?;
    Ok(count + 1)
}

fn filter(
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    error: libc::c_int,
) -> seccompiler::Result<BpfProgram> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = SeccompAction::Errno(error.unsigned_abs());
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, refused, machine)?.try_into()?)
}

/// What is refused: a call without rules always, one with rules where one of them holds.
fn rules(process: u64) -> seccompiler::Result<BTreeMap<c_long, Vec<SeccompRule>>> {
    let always = REFUSED.iter().chain(REFUSED_HERE);
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        always.map(|number| (*number, Vec::new())).collect();
    // A signal to a thread of our own is how a program aborts.
    let to_others = when(0, Compare::Ne, process)?;
    rules.insert(libc::SYS_tgkill, vec![to_others.clone()]);
    rules.insert(libc::SYS_tkill, vec![to_others]);
    // Letters typed into the terminal the capture was started from: the shell would run them.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX].map(|what| when(1, Compare::Eq, what));
    let typing = typing.into_iter().collect::<seccompiler::Result<_>>()?;
    rules.insert(libc::SYS_ioctl, typing);
    // Memory that is written and then run.
    for call in [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        rules.insert(call, vec![any_bit_of(2, libc::PROT_EXEC)?]);
    }
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let made = namespaces.map(|namespace| any_bit_of(0, namespace));
    let made = made.into_iter().collect::<seccompiler::Result<_>>()?;
    rules.insert(libc::SYS_clone, made);
    if cfg!(target_arch = "x86_64") {
        let shared: Vec<_> = rules.clone().into_iter().collect();
        let theirs = shared.into_iter().map(|(call, rules)| (call | X32, rules));
        let own = ONLY_X32.iter().map(|call| (call | X32, Vec::new()));
        rules.extend(theirs.chain(own));
    }
    Ok(rules)
}

/// A rule on one argument, of which the kernel reads 32 bits in all these calls.
fn when(argument: u8, compare: Compare, value: u64) -> seccompiler::Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, Width::Dword, compare, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// A rule on one bit of an argument.
fn any_bit_of(argument: u8, bit: libc::c_int) -> seccompiler::Result<SeccompRule> {
    let bit = u64::from(bit.unsigned_abs());
    when(argument, Compare::MaskedEq(bit), bit)
}

fn failed(error: seccompiler::Error) -> SandboxError {
    SandboxError::Step {
        step: "refusing system calls by seccomp",
        source: io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_sockets_and_sending_are_refused_whatever_they_are_given() {
        let rules = rules(4711).unwrap();
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_socket,
            libc::SYS_sendto,
            libc::SYS_io_uring_setup,
            libc::SYS_bpf,
        ] {
            assert_eq!(rules[&call], [], "{call}");
        }
        // What a capture lives on is on no list.
        for call in [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_recvfrom,
            libc::SYS_getsockopt,
            libc::SYS_ppoll,
            libc::SYS_ftruncate,
            libc::SYS_renameat,
            libc::SYS_unlinkat,
            libc::SYS_fsync,
            libc::SYS_statfs,
            libc::SYS_exit_group,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        for (call, rules) in &rules {
            let conditional = matches!(
                *call & !X32,
                libc::SYS_tgkill
                    | libc::SYS_tkill
                    | libc::SYS_ioctl
                    | libc::SYS_mmap
                    | libc::SYS_mprotect
                    | libc::SYS_pkey_mprotect
                    | libc::SYS_clone
            );
            assert_eq!(!rules.is_empty(), conditional, "{call}");
        }
    }

    #[test]
    fn the_program_fits_the_kernel() {
        // BPF_MAXINSNS of linux/bpf_common.h.
        let program = filter(rules(1).unwrap(), libc::EPERM).unwrap();
        assert!(program.len() < 4096, "{}", program.len());
    }
}
