//! The people's own machines, and the small talk of the network: DHCP, ARP, mDNS, SSDP, router advertisements.

use super::devices::{fetch, visit};
use super::diary::{clock, BEGIN, END};
use super::dns::{self, Data, Message, Record};
use super::home::*;
use super::local::Dhcp;
use super::packet::{Body, Ip, Keep, Nanos, Net, Packet, Seen, MILLI, SECOND};
use super::quic;
use super::tcp::{Say, Tcp};
use super::tls::Hello;
use super::world::{End, World, ROUTER, ROUTER_MAC};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MDNS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const SSDP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

/// When the phone comes home.
const PHONE_JOINS: (i64, i64, i64) = (20, 52, 9);
/// When the laptop is opened.
const LAPTOP_JOINS: (i64, i64, i64) = (20, 57, 14);

/// Phone and laptop.
pub fn all(world: &mut World) {
    let (h, m, s) = PHONE_JOINS;
    join(world, PHONE, clock(h, m, s));
    let at = clock(h, m, s) + SECOND;
    let (at, addresses) = world.resolve(PHONE, at, "connectivitycheck.gstatic.com", dns::A);
    fetch(
        world,
        PHONE,
        at,
        addresses[0],
        "connectivitycheck.gstatic.com",
        "/generate_204",
    );
    world.ntp(PHONE, at + 700 * MILLI, "time.android.com");
    page(world, PHONE, at + 6 * SECOND, "mail.postbox.example", 9_000);
    for minute in [5, 35, 65, 95] {
        let at = clock(20, 53, 0) + minute * 60 * SECOND;
        visit(world, PHONE, at, "sync.postbox.example", 700, 400);
    }
    quic_page(
        world,
        PHONE,
        clock(21, 8, 40),
        "www.tidewater-news.example",
        24,
    );
    page(
        world,
        PHONE,
        clock(21, 8, 41),
        "img.tidewater-news.example",
        42_000,
    );
    page(
        world,
        PHONE,
        clock(21, 26, 2),
        "recipes.appleyard.example",
        30_000,
    );
    quic_page(
        world,
        PHONE,
        clock(22, 5, 11),
        "www.harbour-cinema.example",
        30,
    );

    let (h, m, s) = LAPTOP_JOINS;
    join(world, LAPTOP, clock(h, m, s));
    let at = clock(h, m, s) + SECOND;
    let (at, addresses) = world.resolve(LAPTOP, at, "www.msftconnecttest.com", dns::A);
    fetch(
        world,
        LAPTOP,
        at,
        addresses[0],
        "www.msftconnecttest.com",
        "/connecttest.txt",
    );
    page(
        world,
        LAPTOP,
        clock(20, 59, 3),
        "www.tidewater-news.example",
        38_000,
    );
    page(
        world,
        LAPTOP,
        clock(21, 16, 47),
        "www.harbour-cinema.example",
        26_000,
    );
    page(
        world,
        LAPTOP,
        clock(21, 39, 20),
        "mail.postbox.example",
        15_000,
    );
}

/// A browser asks for every kind of address at once, then loads a page.
fn ask(world: &mut World, host: usize, at: Nanos, name: &str) -> (Nanos, IpAddr) {
    let (ready, addresses) = world.resolve(host, at, name, dns::A);
    world.resolve(host, at + MILLI, name, dns::AAAA);
    world.resolve(host, at + 2 * MILLI, name, dns::HTTPS);
    (ready + 3 * MILLI, addresses[0])
}

/// A page over TCP, its hello too long for one segment.
fn page(world: &mut World, host: usize, at: Nanos, name: &str, down: usize) {
    let (at, address) = ask(world, host, at, name);
    let port = world.port(host);
    let (us, server) = (world.home(host, port), world.server(address, 443));
    let mut tcp = Tcp::open(world, host, us, server, at);
    tcp.shake(world, name, Hello::Large);
    let at = tcp.now;
    let says = [0, 180, 410].map(|ms| Say {
        at: at + ms * MILLI,
        up: 420,
        down: down / 3,
    });
    tcp.say(world, says.to_vec());
    tcp.close(world, at + 4 * SECOND);
}

/// A page over QUIC: `packets` of it come down.
fn quic_page(world: &mut World, host: usize, at: Nanos, name: &str, packets: i64) {
    let (at, address) = ask(world, host, at, name);
    let port = world.port(host);
    let (us, server) = (world.home(host, port), world.server(address, 443));
    let ids = quic::Ids::new(world.chance(host));
    let hello = quic::client_initial(world.chance(host), &ids, name);
    world.udp(at, &us, &server, hello, Keep::All);
    let at = at + server.reacts;
    let hello = quic::server_initial(world.chance(host), &ids);
    world.udp(at, &server, &us, hello, Keep::All);
    let talk = |world: &mut World, at, up: bool, length| {
        let (id, from, to) = if up {
            (&ids.server, &us, &server)
        } else {
            (&ids.client, &server, &us)
        };
        let datagram = quic::short(world.chance(host), id, length);
        world.udp(at, from, to, datagram, Keep::Headers);
    };
    for (ms, up, length) in [(2, true, 90), (3, true, 310), (30, false, 120)] {
        talk(world, at + ms * MILLI, up, length);
    }
    for i in 0..packets {
        let at = at + (45 + 2 * i) * MILLI;
        talk(world, at, false, 1_200);
        if i % 4 == 3 {
            talk(world, at + MILLI, true, 34);
        }
    }
}

/// A host comes into the network: address, neighbours.
fn join(world: &mut World, host: usize, at: Nanos) {
    let it = world.hosts[host].clone();
    let transaction = world.chance(host).long();
    let nobody = End {
        at: (Ipv4Addr::UNSPECIFIED.into(), 68),
        ..world.home(host, 68)
    };
    let (us, router) = (world.home(host, 68), world.router(67));
    for (kind, ms) in [(1, 0), (3, 40)] {
        let question = Dhcp {
            op: 1,
            kind,
            transaction,
            mac: it.mac,
            has: None,
            given: None,
            asks_for: Some(it.ip),
            server: (kind == 3).then_some(ROUTER),
            host_name: it.host_name,
            vendor_class: it.vendor_class,
        };
        let at = at + ms * MILLI;
        world.shout(at, &nobody, Ipv4Addr::BROADCAST, 67, question.bytes());
        let answer = Dhcp {
            op: 2,
            kind: if kind == 1 { 2 } else { 5 },
            given: Some(it.ip),
            server: Some(ROUTER),
            ..question
        };
        world.udp(at + 12 * MILLI, &router, &us, answer.bytes(), Keep::All);
    }
    let at = at + 90 * MILLI;
    world.arp(at, 1, (it.mac, it.ip), ([0; 6], it.ip));
    world.arp(at + 40 * MILLI, 1, (it.mac, it.ip), ([0; 6], ROUTER));
    world.arp(at + 41 * MILLI, 2, (ROUTER_MAC, ROUTER), (it.mac, it.ip));
}

/// What hosts say without being asked, and the router's upkeep.
pub fn small_talk(world: &mut World) {
    for host in 0..world.hosts.len() {
        // Leases last a day; those at home all evening renew theirs once.
        let first = match host {
            PHONE => clock(21, 22, 0),
            LAPTOP => clock(21, 27, 0),
            _ => BEGIN + (9 + 13 * host as i64) * SECOND,
        };
        if host < PHONE {
            renew(world, host, first);
        }
        let mut at = world.soon(host, first + 200 * SECOND, 60 * SECOND);
        while at < END {
            let (mac, ip) = (world.hosts[host].mac, world.hosts[host].ip);
            world.arp(at, 1, (ROUTER_MAC, ROUTER), ([0; 6], ip));
            world.arp(at + 2 * MILLI, 2, (mac, ip), (ROUTER_MAC, ROUTER));
            at += 1_200 * SECOND;
        }
    }
    for minute in [1, 41, 81, 121] {
        announce(
            world,
            ECHO,
            BEGIN + minute * 60 * SECOND,
            "_amzn-wplay._tcp.local",
            "amzn.dmgr.0A21C4E7D",
            55_442,
        );
        announce(
            world,
            HUE,
            BEGIN + (minute * 60 + 9) * SECOND,
            "_hue._tcp.local",
            "Philips Hue - 0A0024",
            443,
        );
        let notify = "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=86400\r\nLOCATION: http://192.168.1.21:49153/setup.xml\r\nNT: urn:Belkin:device:controllee:1\r\nNTS: ssdp:alive\r\nSERVER: Unspecified, UPnP/1.0, Unspecified\r\nUSN: uuid:Socket-1_0-000000A0021::urn:Belkin:device:controllee:1\r\n\r\n";
        let wemo = world.home(WEMO, 1900);
        world.shout(
            BEGIN + (minute * 60 + 21) * SECOND,
            &wemo,
            SSDP,
            1900,
            notify.into(),
        );
    }
    for minute in [0, 30, 60, 90, 120] {
        advertise(world, BEGIN + (minute * 60 + 33) * SECOND);
    }
    for (minute, second) in [(24, 2), (71, 40)] {
        let query = Message {
            questions: vec![("_hue._tcp.local".into(), dns::PTR)],
            ..Message::default()
        };
        let phone = End {
            ttl: 255,
            ..world.home(PHONE, 5353)
        };
        world.shout(
            BEGIN + (minute * 60 + second) * SECOND,
            &phone,
            MDNS,
            5353,
            query.bytes(),
        );
    }
    for i in 0..5 {
        world.router_ntp(BEGIN + (i * 1_700 + 19) * SECOND);
    }
    let mut at = BEGIN + 29 * SECOND;
    for i in 0..24 {
        world.knock(at);
        at += (180 + 37 * (i % 7)) * SECOND;
    }
}

/// A host asks to keep its address.
fn renew(world: &mut World, host: usize, at: Nanos) {
    let it = world.hosts[host].clone();
    let question = Dhcp {
        op: 1,
        kind: 3,
        transaction: world.chance(host).long(),
        mac: it.mac,
        has: Some(it.ip),
        given: None,
        asks_for: None,
        server: None,
        host_name: it.host_name,
        vendor_class: it.vendor_class,
    };
    let (us, router) = (world.home(host, 68), world.router(67));
    world.udp(at, &us, &router, question.bytes(), Keep::All);
    let answer = Dhcp {
        op: 2,
        kind: 5,
        given: Some(it.ip),
        server: Some(ROUTER),
        ..question
    };
    world.udp(at + 3 * MILLI, &router, &us, answer.bytes(), Keep::All);
}

/// A service made known by multicast DNS (RFC 6762).
fn announce(world: &mut World, host: usize, at: Nanos, service: &str, instance: &str, port: u16) {
    let full = format!("{instance}.{service}");
    let target = format!("{}.local", world.hosts[host].host_name);
    let record = |owner: &str, data| Record {
        owner: owner.to_owned(),
        ttl: 120,
        data,
    };
    let message = Message {
        flags: dns::MULTICAST,
        answers: vec![
            record(service, Data::Ptr(full.clone())),
            record(&full, Data::Service(port, target.clone())),
            record(&full, Data::Text(vec!["v=1".into()])),
            record(&target, Data::Address(world.hosts[host].ip.into())),
        ],
        flush: true,
        ..Message::default()
    };
    let us = End {
        ttl: 255,
        ..world.home(host, 5353)
    };
    world.shout(at, &us, MDNS, 5353, message.bytes());
}

/// A router advertisement (RFC 4861) with the home's prefix, and the bridge asking for its neighbour.
fn advertise(world: &mut World, at: Nanos) {
    let router: Ipv6Addr = "fe80::200:5eff:fe00:5301".parse().unwrap();
    let prefix: Ipv6Addr = "2001:db8:9:1::".parse().unwrap();
    let mut rest = vec![64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
    rest.extend([
        3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0,
    ]);
    rest.extend(prefix.octets());
    rest.extend([1, 1]);
    rest.extend(ROUTER_MAC);
    let all: Ipv6Addr = "ff02::1".parse().unwrap();
    let mut send = |at, from, to, ips: [Ipv6Addr; 2], kind, rest| {
        let net = Net::Ip(Ip {
            from: (ips[0].into(), 0),
            to: (ips[1].into(), 0),
            ttl: 255,
            id: 0,
            body: Body::Icmp { kind, rest },
        });
        world.packets.push(Packet {
            at,
            from,
            to,
            net,
            keep: Keep::All,
            seen: Seen::Lan,
        });
    };
    send(
        at,
        ROUTER_MAC,
        [0x33, 0x33, 0, 0, 0, 1],
        [router, all],
        [134, 0],
        rest,
    );
    let hosts = super::home::hosts();
    let (mac, own) = (hosts[HUE].mac, hosts[HUE].ip6.unwrap());
    let asked = [&[0; 4][..], &router.octets(), &[1, 1], &mac].concat();
    let told = [&[0xe0, 0, 0, 0][..], &router.octets(), &[2, 1], &ROUTER_MAC].concat();
    send(at + SECOND, mac, ROUTER_MAC, [own, router], [135, 0], asked);
    send(
        at + SECOND + MILLI,
        ROUTER_MAC,
        mac,
        [router, own],
        [136, 0],
        told,
    );
}
