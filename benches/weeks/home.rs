//! A made-up home for weeks: cheap to make, and busy in every way that could make a watch grow.
//!
//! Devices beat at their own rhythm on a connection that is made anew each few hours, look their server up before each, and
//! are used now and then; a camera streams each second; a phone opens connections to ever new servers, whose names nobody has
//! heard before. All comes from the seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::{self, Write};
use stp_audit::capture::{LinkType, Writer};
use stp_audit::units::Timestamp;

/// Where the weeks begin: 2026-01-05 00:00:00 UTC, a Monday.
pub const BEGIN: i64 = 1_767_571_200;
/// Seconds of a week.
pub const WEEK: i64 = 7 * 86_400;

const ETHERNET: usize = 14;
const IP: usize = 20;
const ROUTER: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const RESOLVER: [u8; 4] = [192, 0, 2, 53];

struct Device {
    number: u8,
    /// Seconds from beat to beat.
    beat: i64,
    port: u16,
    renewed: i64,
    busy_until: i64,
}

/// The home, second after second.
pub struct Home<W: Write> {
    out: Writer<W>,
    rng: ChaCha8Rng,
    devices: Vec<Device>,
    second: i64,
    nanos: i64,
    /// Packets written.
    pub packets: u64,
    strangers: u32,
}

impl<W: Write> Home<W> {
    /// `devices` of them, of which the first is the camera and the second the phone.
    ///
    /// # Errors
    /// What the writer says.
    pub fn begin(out: W, devices: u8, seed: u64) -> io::Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let device = |number| Device {
            number,
            beat: rng.gen_range(10..60),
            port: 0,
            renewed: i64::MIN,
            busy_until: 0,
        };
        Ok(Self {
            out: Writer::begin(out, LinkType::ETHERNET, 256, "weeks", "a made-up home")?,
            devices: (0..devices).map(device).collect(),
            rng,
            second: 0,
            nanos: 0,
            packets: 0,
            strangers: 0,
        })
    }

    /// Writes until so many seconds have passed since the begin.
    ///
    /// # Errors
    /// What the writer says.
    pub fn until(&mut self, second: i64) -> io::Result<()> {
        while self.second < second {
            self.nanos = 0;
            for at in 0..self.devices.len() {
                self.live(at)?;
            }
            self.second += 1;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What the writer says.
    pub fn end(self) -> io::Result<()> {
        self.out.end().map(|_| ())
    }

    /// A second of a device.
    fn live(&mut self, at: usize) -> io::Result<()> {
        let Device {
            number,
            beat,
            port,
            renewed,
            busy_until,
        } = self.devices[at];
        let (camera, phone) = (number == 0, number == 1);
        let server = [198, 51, 100, number];
        if renewed == i64::MIN || self.second - renewed > 4 * 3600 + 60 * i64::from(number) {
            self.look_up(number, &format!("d{number}.example"), server)?;
            let device = &mut self.devices[at];
            device.renewed = self.second;
            device.port = port.max(20_000).wrapping_add(7) | 0x4000;
            return Ok(());
        }
        if phone && self.rng.gen_ratio(1, 20) {
            self.strangers += 1;
            let number = self.strangers;
            let [_, a, b, c] = number.to_be_bytes();
            let server = [203, a, b, c];
            self.look_up(1, &format!("page{number}.example"), server)?;
            let port = 1024 + (number % 60_000) as u16;
            for _ in 0..3 {
                self.talk(1, port, server, 443, 120, 1_400)?;
            }
        }
        let starts = self.rng.gen_ratio(1, 10_000);
        let busy = match starts {
            true => {
                self.devices[at].busy_until = self.second + self.rng.gen_range(1..15);
                true
            }
            false => self.second < busy_until,
        };
        if busy {
            for _ in 0..10 {
                self.talk(number, port, server, 443, 900, 300)?;
            }
        } else if camera {
            let bytes = self.rng.gen_range(200..400);
            self.talk(number, port, server, 443, bytes, 60)?;
        } else if self.second % beat == i64::from(number) % beat {
            self.talk(number, port, server, 443, 90, 80)?;
        }
        Ok(())
    }

    /// A packet there and one back.
    fn talk(
        &mut self,
        device: u8,
        port: u16,
        far: [u8; 4],
        far_port: u16,
        up: u16,
        down: u16,
    ) -> io::Result<()> {
        let near = [192, 168, 1, 10 + device];
        self.packet(device, true, (near, port), (far, far_port), 6, up, &[])?;
        self.packet(device, false, (far, far_port), (near, port), 6, down, &[])
    }

    /// A question for a name and its answer.
    fn look_up(&mut self, device: u8, name: &str, address: [u8; 4]) -> io::Result<()> {
        let near = (
            [192, 168, 1, 10 + device],
            self.rng.gen_range(30_000..60_000),
        );
        let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(label.len() as u8);
            question.extend(label.bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        let mut answer = question.clone();
        answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address);
        let length = |payload: &[u8]| (IP + 8 + payload.len()) as u16;
        let resolver = (RESOLVER, 53);
        self.packet(
            device,
            true,
            near,
            resolver,
            17,
            length(&question),
            &question,
        )?;
        self.packet(device, false, resolver, near, 17, length(&answer), &answer)
    }

    #[allow(clippy::too_many_arguments)] // a packet has so many
    fn packet(
        &mut self,
        device: u8,
        sent: bool,
        from: ([u8; 4], u16),
        to: ([u8; 4], u16),
        protocol: u8,
        length: u16,
        payload: &[u8],
    ) -> io::Result<()> {
        let own = [0x02, 0, 0, 0, 1, device];
        let (source, destination) = if sent { (own, ROUTER) } else { (ROUTER, own) };
        let mut frame = Vec::with_capacity(128);
        frame.extend(destination);
        frame.extend(source);
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(length.to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        frame.extend(from.0);
        frame.extend(to.0);
        frame.extend(from.1.to_be_bytes());
        frame.extend(to.1.to_be_bytes());
        if protocol == 6 {
            frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0]);
        } else {
            frame.extend((length - IP as u16).to_be_bytes());
            frame.extend([0, 0]);
        }
        frame.extend(payload);
        self.nanos += 100_000;
        self.packets += 1;
        let at = Timestamp::new(BEGIN + self.second, self.nanos);
        self.out
            .packet(at, ETHERNET as u32 + u32::from(length), &frame)
    }
}
