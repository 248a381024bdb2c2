//! How each device of the evening behaves: what it connects to, how often it says that it lives, and what an activity of
//! it looks like from outside.
//!
//! Rates of activities are not below those the devices were still seen to work with (the paper's Table 4): WeMo 5.0 KB/s up
//! and 2.5 down, Echo 10 and 10, as there; the Nest camera 30 KB/s where 10 would do, Sense 4 (2.5), TP-Link 3.5 (0.5), Orvibo
//! 2 (0.25). Most of the small ones say that they live once a minute in a hundred bytes or two.

use super::diary::{self, events_of, Event, BEGIN, END};
use super::dns;
use super::home::*;
use super::local;
use super::packet::{Keep, Nanos, MILLI, SECOND};
use super::tcp::{From, Say, Tcp};
use super::world::World;
use std::net::IpAddr;

/// How a device says that it lives.
struct Beat {
    every: Nanos,
    /// How far a beat may be late.
    late: Nanos,
    up: usize,
    down: usize,
}

impl Beat {
    fn says(&self, world: &mut World, host: usize, from: Nanos, to: Nanos) -> Vec<Say> {
        let mut says = Vec::new();
        let mut at = from;
        while at < to {
            let late = world.soon(host, at, self.late);
            says.push(Say {
                at: late,
                up: self.up,
                down: self.down,
            });
            at += self.every;
        }
        says
    }
}

const fn beat(every_s: i64, late_ms: i64, up: usize, down: usize) -> Beat {
    Beat {
        every: every_s * SECOND,
        late: late_ms * MILLI,
        up,
        down,
    }
}

/// An activity spread evenly: bytes a second up during its first part, down during its last.
struct Burst {
    step: Nanos,
    up: i64,
    down: i64,
    /// Up until this share of the time has passed, in hundredths.
    up_until: i64,
    /// Down from this share on.
    down_from: i64,
}

const fn both(step_ms: i64, up: i64, down: i64) -> Burst {
    Burst {
        step: step_ms * MILLI,
        up,
        down,
        up_until: 100,
        down_from: 0,
    }
}

impl Burst {
    fn says(&self, world: &mut World, host: usize, event: &Event) -> Vec<Say> {
        // From the hand to the network.
        let begin = world.soon(host, event.at + 40 * MILLI, 60 * MILLI);
        let end = event.at + event.lasts - 120 * MILLI;
        let steps = ((end - begin) / self.step).max(1);
        let lasts = event.lasts / MILLI;
        let size = |rate: i64, share: i64| {
            let bytes = rate * event.weight / 1000 * lasts / 1000;
            (bytes / (steps * share / 100).max(1)) as usize
        };
        let up = size(self.up, self.up_until);
        let down = size(self.down, 100 - self.down_from);
        let says = (0..steps).map(|i| Say {
            at: begin + i * self.step,
            up: if i * 100 < steps * self.up_until {
                up
            } else {
                0
            },
            down: if i * 100 >= steps * self.down_from {
                down
            } else {
                0
            },
        });
        says.collect()
    }
}

fn bursts(world: &mut World, host: usize, device: &str, burst: &Burst) -> Vec<Say> {
    let events = events_of(device);
    let says = events
        .iter()
        .flat_map(|event| burst.says(world, host, event));
    says.collect()
}

/// A device on one long connection, with its beats and activities from `from` on.
fn live(world: &mut World, host: usize, mut tcp: Tcp, from: Nanos, beat: &Beat, burst: &Burst) {
    let device = world.hosts[host].name;
    let mut says = beat.says(world, host, from, END);
    says.extend(bursts(world, host, device, burst));
    tcp.say(world, says);
}

/// A short visit to a server: connect, send, hear, leave.
pub fn visit(world: &mut World, host: usize, at: Nanos, name: &str, up: usize, down: usize) {
    let mut tcp = Tcp::tls(world, host, at, name, 443);
    let at = tcp.now;
    tcp.say(world, vec![Say { at, up, down }]);
    tcp.close(world, at + 200 * MILLI);
}

/// Every `every` from `from` on.
fn times(from: Nanos, every: Nanos) -> impl Iterator<Item = Nanos> {
    (0..)
        .map(move |i| from + i * every)
        .take_while(|at| *at < END)
}

fn minutes(count: i64) -> Nanos {
    count * 60 * SECOND
}

/// All devices of the home, for the whole evening.
pub fn all(world: &mut World) {
    wemo(world);
    echo(world);
    nest(world);
    hue(world);
    plug(world);
    sense(world);
    smartthings(world);
    orvibo(world);
    dlink(world);
    wink(world);
    stranger(world);
}

/// The switch alone, from `from` on; also the one real device of the flood.
pub fn wemo(world: &mut World) {
    let begin = BEGIN + 8 * SECOND;
    let tcp = Tcp::tls(world, WEMO, begin, "api.xbcs.net", 8443);
    let burst = both(250, 5_000, 2_500);
    live(
        world,
        WEMO,
        tcp,
        begin + 5 * SECOND,
        &beat(30, 120, 96, 74),
        &burst,
    );
    for at in times(BEGIN + minutes(14), minutes(45)) {
        world.ntp(WEMO, at, "0.pool.ntp.org");
    }
    visit(world, WEMO, BEGIN + minutes(4), "fs.xbcs.net", 380, 240);
}

fn echo(world: &mut World) {
    let begin = BEGIN + 41 * SECOND;
    let tcp = Tcp::tls(world, ECHO, begin, "dcape-na.amazon.com", 443);
    let burst = Burst {
        step: 100 * MILLI,
        up: 10_000,
        down: 10_000,
        up_until: 60,
        down_from: 40,
    };
    live(
        world,
        ECHO,
        tcp,
        begin + 9 * SECOND,
        &beat(30, 200, 58, 58),
        &burst,
    );
    for at in times(BEGIN + minutes(6), minutes(31)) {
        let at = world.soon(ECHO, at, 20 * SECOND);
        visit(world, ECHO, at, "device-metrics-us.amazon.com", 900, 180);
    }
    for at in times(BEGIN + minutes(11), minutes(37)) {
        world.ntp(ECHO, at, "ntp-g7g.amazon.com");
    }
}

fn nest(world: &mut World) {
    let begin = BEGIN + 20 * SECOND;
    let tcp = Tcp::tls(world, NEST, begin, "nexus.dropcam.com", 443);
    let burst = both(100, 30_000, 0);
    live(
        world,
        NEST,
        tcp,
        begin + 4 * SECOND,
        &beat(20, 300, 132, 66),
        &burst,
    );
    for at in times(BEGIN + minutes(9), minutes(30)) {
        world.ntp(NEST, at, "0.pool.ntp.org");
    }
}

fn hue(world: &mut World) {
    let begin = BEGIN + 95 * SECOND;
    world.resolve(HUE, begin, "ws.meethue.com", dns::A);
    let (at, addresses) = world.resolve(HUE, begin + MILLI, "ws.meethue.com", dns::AAAA);
    let port = world.port(HUE);
    let (client, server) = (world.home6(HUE, port), world.server(addresses[0], 443));
    let mut tcp = Tcp::open(world, HUE, client, server, at);
    tcp.shake(world, "ws.meethue.com", super::tls::Hello::Small);
    let burst = both(300, 4_500, 2_500);
    live(
        world,
        HUE,
        tcp,
        begin + 20 * SECOND,
        &beat(60, 80, 30, 26),
        &burst,
    );
    visit(
        world,
        HUE,
        BEGIN + minutes(17),
        "diagnostics.meethue.com",
        620,
        200,
    );
    for at in times(BEGIN + minutes(3), minutes(60)) {
        world.ntp(HUE, at, "time.meethue.com");
    }
}

/// The TP-Link plug: its connection is hours old, and it looks its server up again without need.
fn plug(world: &mut World) {
    let port = world.port(PLUG);
    let cloud: IpAddr = super::zone::find("devs.tplinkcloud.com").v4[1]
        .parse()
        .unwrap();
    let (us, server) = (world.home(PLUG, port), world.server(cloud, 50_443));
    let tcp = Tcp::old(world, PLUG, us, server, BEGIN);
    let burst = both(400, 3_500, 3_500);
    live(
        world,
        PLUG,
        tcp,
        BEGIN + 17 * SECOND,
        &beat(60, 150, 40, 40),
        &burst,
    );
    for at in times(BEGIN + minutes(12), minutes(50)) {
        world.resolve(PLUG, at, "devs.tplinkcloud.com", dns::A);
    }
    world.ntp(PLUG, BEGIN + minutes(26), "0.pool.ntp.org");
    for event in events_of(diary::PLUG) {
        switch_plug(world, &event);
    }
}

/// The phone tells the plug, at home, over its own protocol.
fn switch_plug(world: &mut World, event: &Event) {
    let state = u8::from(event.what == "on");
    let (seek, found) = (world.home(PHONE, 47_113), world.home(PLUG, 9999));
    let info = "{\"system\":{\"get_sysinfo\":{}}}";
    let answer = format!(
        "{{\"system\":{{\"get_sysinfo\":{{\"err_code\":0,\"model\":\"HS100(US)\",\"alias\":\"lamp\",\"relay_state\":{}}}}}}}",
        1 - state
    );
    let at = event.at - 2 * SECOND;
    let everybody = std::net::Ipv4Addr::new(192, 168, 1, 255);
    world.shout(at, &seek, everybody, 9999, local::tp_link_datagram(info));
    world.udp(
        at + 14 * MILLI,
        &found,
        &seek,
        local::tp_link_datagram(&answer),
        Keep::Headers,
    );
    let port = world.port(PHONE);
    let (phone, plug) = (world.home(PHONE, port), world.home(PLUG, 9999));
    let mut tcp = Tcp::open(world, PHONE, phone, plug, event.at - 5 * MILLI);
    let set = format!("{{\"system\":{{\"set_relay_state\":{{\"state\":{state}}}}}}}");
    let done = "{\"system\":{\"set_relay_state\":{\"err_code\":0}}}";
    tcp.send(
        world,
        From::Client,
        event.at,
        local::tp_link_message(&set),
        Keep::Headers,
        false,
    );
    let at = tcp.now + 12 * MILLI;
    tcp.send(
        world,
        From::Server,
        at,
        local::tp_link_message(done),
        Keep::Headers,
        true,
    );
    tcp.close(world, event.at + 80 * MILLI);
}

fn sense(world: &mut World) {
    let begin = BEGIN + 128 * SECOND;
    let tcp = Tcp::tls(world, SENSE, begin, "sense-in.hello.is", 443);
    let burst = both(400, 4_000, 1_500);
    live(
        world,
        SENSE,
        tcp,
        begin + 11 * SECOND,
        &beat(60, 250, 190, 34),
        &burst,
    );
    for at in times(BEGIN + minutes(7), minutes(55)) {
        visit(world, SENSE, at, "messeji.hello.is", 210, 90);
    }
    for at in times(BEGIN + minutes(21), minutes(60)) {
        world.ntp(SENSE, at, "time.hello.is");
    }
}

/// The SmartThings hub: on an old connection until its server lets go of it at 21:31.
fn smartthings(world: &mut World) {
    let name = "dc.connect.smartthings.com";
    let port = world.port(SMARTTHINGS);
    let server: IpAddr = super::zone::find(name).v4[0].parse().unwrap();
    let (us, server) = (world.home(SMARTTHINGS, port), world.server(server, 443));
    let again = diary::clock(21, 31, 6);
    let (beat, burst) = (beat(60, 60, 36, 28), both(300, 4_000, 2_200));
    let says = bursts(world, SMARTTHINGS, diary::SMARTTHINGS, &burst);
    let (before, after): (Vec<Say>, Vec<Say>) = says.into_iter().partition(|say| say.at < again);
    let mut tcp = Tcp::old(world, SMARTTHINGS, us, server, BEGIN);
    let mut says = beat.says(world, SMARTTHINGS, BEGIN + 3 * SECOND, again);
    says.extend(before);
    tcp.say(world, says);
    tcp.close(world, again);
    let mut tcp = Tcp::tls(world, SMARTTHINGS, again + SECOND, name, 443);
    let mut says = beat.says(world, SMARTTHINGS, again + 30 * SECOND, END);
    says.extend(after);
    tcp.say(world, says);
    visit(
        world,
        SMARTTHINGS,
        BEGIN + minutes(38),
        "fw-update2.smartthings.com",
        340,
        700,
    );
    world.ntp(SMARTTHINGS, BEGIN + minutes(44), "0.pool.ntp.org");
}

/// The Orvibo socket: datagrams to one port, no connection.
fn orvibo(world: &mut World) {
    let cloud: IpAddr = super::zone::find("wiwo.orvibo.com").v4[0].parse().unwrap();
    let (us, server) = (world.home(ORVIBO, 10_000), world.server(cloud, 10_000));
    let mut says = beat(45, 40, 42, 42).says(world, ORVIBO, BEGIN + 12 * SECOND, END);
    says.extend(bursts(
        world,
        ORVIBO,
        diary::ORVIBO,
        &both(250, 2_000, 2_000),
    ));
    for Say { at, up, down } in says {
        // Its messages begin with "hd" and their length.
        let mut message = |length: usize| {
            let mut bytes = b"hd".to_vec();
            bytes.extend((length as u16).to_be_bytes());
            bytes.extend(world.chance(ORVIBO).bytes(length - 4));
            bytes
        };
        let (asked, answered) = (message(up), message(down));
        world.udp(at, &us, &server, asked, Keep::Headers);
        world.udp(at + server.reacts, &server, &us, answered, Keep::Headers);
    }
    for at in times(BEGIN + minutes(5), minutes(20)) {
        world.resolve(ORVIBO, at, "wiwo.orvibo.com", dns::A);
    }
}

/// The D-Link camera: an old connection for signals, a new one when somebody looks through it.
fn dlink(world: &mut World) {
    let port = world.port(DLINK);
    let name = "signal.auto.mydlink.com";
    let server: IpAddr = super::zone::find(name).v4[0].parse().unwrap();
    let (us, server) = (world.home(DLINK, port), world.server(server, 443));
    let mut tcp = Tcp::old(world, DLINK, us, server, BEGIN);
    let says = beat(60, 200, 70, 70).says(world, DLINK, BEGIN + 6 * SECOND, END);
    tcp.say(world, says);
    for at in times(BEGIN + minutes(2), minutes(10)) {
        world.resolve(DLINK, at, name, dns::A);
    }
    for event in events_of(diary::DLINK) {
        let relay = "mp-us-relay.auto.mydlink.com";
        let mut tcp = Tcp::tls(world, DLINK, event.at + 30 * MILLI, relay, 443);
        let says = both(125, 25_000, 0).says(world, DLINK, &event);
        tcp.say(world, says);
        tcp.close(world, event.at + event.lasts - 20 * MILLI);
    }
    world.ntp(DLINK, BEGIN + minutes(33), "0.pool.ntp.org");
}

fn wink(world: &mut World) {
    let begin = BEGIN + 74 * SECOND;
    let tcp = Tcp::tls(world, WINK, begin, "agent-v1-production.wink.com", 443);
    let burst = both(300, 4_000, 2_500);
    live(
        world,
        WINK,
        tcp,
        begin + 13 * SECOND,
        &beat(60, 100, 38, 30),
        &burst,
    );
    world.ntp(WINK, BEGIN + minutes(52), "0.pool.ntp.org");
}

/// A device no fingerprint knows, with three servers: messages, readings, updates.
fn stranger(world: &mut World) {
    let begin = BEGIN + 57 * SECOND;
    let mut tcp = Tcp::tls(world, STRANGER, begin, "mq.larkfield.example", 8883);
    let says = beat(45, 30, 31, 31).says(world, STRANGER, begin + 7 * SECOND, END);
    tcp.say(world, says);
    for at in times(BEGIN + minutes(10), minutes(20)) {
        visit(world, STRANGER, at, "in.larkfield.example", 1_400, 150);
    }
    let (at, addresses) = world.resolve(
        STRANGER,
        BEGIN + minutes(48),
        "ota.larkfield.example",
        dns::A,
    );
    fetch(
        world,
        STRANGER,
        at,
        addresses[0],
        "ota.larkfield.example",
        "/v2/latest.json",
    );
}

/// A page in the clear, whose request names its host.
pub fn fetch(world: &mut World, host: usize, at: Nanos, server: IpAddr, name: &str, path: &str) {
    let port = world.port(host);
    let (us, server) = (world.home(host, port), world.server(server, 80));
    let mut tcp = Tcp::open(world, host, us, server, at);
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    let answer = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    tcp.send(world, From::Client, tcp.now, ask.into(), Keep::All, false);
    let at = tcp.now + 20 * MILLI;
    tcp.send(world, From::Server, at, answer.into(), Keep::Headers, true);
    let at = tcp.now + 5 * MILLI;
    tcp.close(world, at);
}
