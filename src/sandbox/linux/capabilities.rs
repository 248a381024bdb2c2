//! Every capability given up, in all five sets of `capabilities(7)`.

use crate::sandbox::error::SandboxError;
use rustix::io::Errno;
use rustix::thread::{
    capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, CapabilitySet, CapabilitySets,
};

/// No capability in any set.
const NONE: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::empty(),
    permitted: CapabilitySet::empty(),
    inheritable: CapabilitySet::empty(),
};

/// Empties the bounding set; `false` where the process lacks CAP_SETPCAP, as one started by `setcap` does.
pub(super) fn empty_bounding_set() -> Result<bool, SandboxError> {
    // By number, not by name: a kernel can have more than we know of. It ends the list with EINVAL.
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(Errno::PERM) => return Ok(false),
            Err(error) => {
                return Err(SandboxError::step("emptying the bounding set")(error));
            }
        }
    }
    Ok(true)
}

/// Empties the others, and sees that they are.
pub(super) fn give_up() -> Result<(), SandboxError> {
    let step = "giving up capabilities";
    clear_ambient_capability_set().map_err(SandboxError::step(step))?;
    set_capabilities(None, NONE).map_err(SandboxError::step(step))?;
    match capabilities(None).map_err(SandboxError::step(step))? {
        NONE => Ok(()),
        _ => Err(SandboxError::step(step)(Errno::PERM)),
    }
}
