//! A machine for filter programs (S. McCanne, V. Jacobson: "The BSD Packet Filter", USENIX 1993, section 3.3).
//!
//! libpcap compiles the filter; the program is run here, because libpcap's own machine can be reached only in a way that
//! takes the bytes captured for the bytes on the wire: `greater 100` would never match a packet cut at 54.

/// One instruction.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) k: u32,
}

/// A filter compiled for one link type.
#[derive(Clone, Debug)]
pub(super) struct Program(pub(super) Vec<Instruction>);

/// `protochain` compiles to a loop over headers, so a program need not end by itself.
const MAX_STEPS: u32 = 100_000;

// Classes, the low three bits of a code.
const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;
const MISC: u16 = 7;

/// `size` bytes of the packet at `at`, as a number in network order.
fn load(packet: &[u8], at: usize, size: usize) -> Option<u32> {
    let bytes = packet.get(at..at.checked_add(size)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u32::from(*byte)),
    )
}

impl Program {
    /// Whether `packet`, of `wire_len` bytes on the wire, is let through. Reading beyond the bytes captured refuses it.
    pub(super) fn matches(&self, packet: &[u8], wire_len: u32) -> bool {
        self.run(packet, wire_len).is_some_and(|bytes| bytes > 0)
    }

    fn run(&self, packet: &[u8], wire_len: u32) -> Option<u32> {
        let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; 16]);
        let mut at = 0usize;
        for _ in 0..MAX_STEPS {
            let Instruction {
                code,
                if_true,
                if_false,
                k,
            } = *self.0.get(at)?;
            at += 1;
            let cell = memory.get_mut(k as usize);
            match code & 7 {
                LD | LDX => {
                    let size = match code & 0x18 {
                        0x00 => 4,
                        0x08 => 2,
                        _ => 1,
                    };
                    let value = match code & 0xe0 {
                        0x00 => k,
                        0x20 => load(packet, k as usize, size)?,
                        0x40 => load(packet, k.checked_add(x)? as usize, size)?,
                        0x60 => *cell?,
                        0x80 => wire_len,
                        // Length of an IPv4 header.
                        _ => (load(packet, k as usize, 1)? & 0xf) * 4,
                    };
                    match code & 7 {
                        LD => a = value,
                        _ => x = value,
                    }
                }
                ST => *cell? = a,
                STX => *cell? = x,
                ALU => {
                    let operand = if code & 8 == 0 { k } else { x };
                    a = match code & 0xf0 {
                        0x00 => a.wrapping_add(operand),
                        0x10 => a.wrapping_sub(operand),
                        0x20 => a.wrapping_mul(operand),
                        0x30 => a.checked_div(operand)?,
                        0x40 => a | operand,
                        0x50 => a & operand,
                        0x60 => a.checked_shl(operand).unwrap_or(0),
                        0x70 => a.checked_shr(operand).unwrap_or(0),
                        0x80 => a.wrapping_neg(),
                        0x90 => a.checked_rem(operand)?,
                        0xa0 => a ^ operand,
                        _ => return None,
                    };
                }
                JMP => {
                    let operand = if code & 8 == 0 { k } else { x };
                    let holds = match code & 0xf0 {
                        // Always; backwards where the distance is negative.
                        0x00 => {
                            at = at.checked_add_signed(k as i32 as isize)?;
                            continue;
                        }
                        0x10 => a == operand,
                        0x20 => a > operand,
                        0x30 => a >= operand,
                        0x40 => a & operand != 0,
                        _ => return None,
                    };
                    at += usize::from(if holds { if_true } else { if_false });
                }
                RET => return Some(if code & 0x18 == 0x10 { a } else { k }),
                MISC if code & 0xf8 == 0 => x = a,
                _ => a = x,
            }
        }
        None
    }
}
