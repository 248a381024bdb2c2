use super::file::is_host_name;
use super::*;
use crate::device::catalog::Catalog;
use crate::device::fingerprint::{Address, Fingerprint, Port};
use serde_json::{json, Value};
use std::collections::BTreeSet;

/// The lamp of RFC 8520, section 9, in our own layout: one server by name, on port 443, both ways.
fn lamp() -> Value {
    let rule = |name: &str, place: &str, port: &str| {
        json!({
            "name": name,
            "matches": {
                "ipv6": { place: "test.example.com", "protocol": 6 },
                "tcp": {
                    "ietf-mud:direction-initiated": "from-device",
                    port: { "operator": "eq", "port": 443 }
                }
            },
            "actions": { "forwarding": "accept" }
        })
    };
    let list = |name: &str, rule: Value| json!({ "name": name, "type": "ipv6-acl-type", "aces": { "ace": [rule] } });
    let policy = |name: &str| json!({ "access-lists": { "access-list": [{ "name": name }] } });
    json!({
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": "https://lighting.example.com/lightbulb2000",
            "last-update": "2019-01-28T11:20:51+01:00",
            "cache-validity": 48,
            "is-supported": true,
            "systeminfo": "The BMS Example Light Bulb",
            "from-device-policy": policy("mud-76100-v6fr"),
            "to-device-policy": policy("mud-76100-v6to")
        },
        "ietf-access-control-list:acls": {
            "acl": [
                list("mud-76100-v6to", rule("cl0-todev", "ietf-acldns:src-dnsname", "source-port")),
                list("mud-76100-v6fr", rule("cl0-frdev", "ietf-acldns:dst-dnsname", "destination-port"))
            ]
        }
    })
}

/// The lamp with other rules from the device, and none to it.
fn lamp_with(matches: &[Value]) -> Value {
    let mut file = lamp();
    let rule =
        |matches| json!({ "name": "r", "matches": matches, "actions": { "forwarding": "accept" } });
    file["ietf-mud:mud"]["to-device-policy"] = json!({});
    file["ietf-access-control-list:acls"]["acl"][1]["aces"]["ace"] =
        matches.iter().map(rule).collect();
    file
}

fn read(file: &Value) -> Result<Imported, MudError> {
    import(
        file.to_string().as_bytes(),
        "lamp.json",
        &Catalog::default(),
    )
}

fn refused(file: &Value) -> String {
    read(file).unwrap_err().to_string()
}

fn toml(text: &str) -> Fingerprint {
    let head = "vendor = \"Acme\"\nproduct = \"Lamp\"\nkind = \"light\"\n";
    Fingerprint::from_toml("acme-lamp", &format!("{head}{text}"), "acme-lamp.toml").unwrap()
}

fn ports(texts: &[&str]) -> Vec<Port> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_lamp_of_the_standard_is_read() {
    let Imported {
        fingerprint,
        remarks,
    } = read(&lamp()).unwrap();
    assert_eq!(fingerprint.names.exact, ["test.example.com"]);
    assert_eq!(fingerprint.vendor, "lighting.example.com");
    assert_eq!(
        fingerprint.product.as_deref(),
        Some("The BMS Example Light Bulb")
    );
    assert_eq!(fingerprint.kind, "light");
    assert_eq!(
        fingerprint.sources,
        ["MUD file https://lighting.example.com/lightbulb2000 of 2019-01-28"]
    );
    assert_eq!(fingerprint.ports, [], "443 is everybody's");
    assert_eq!(remarks, [""; 0]);
    let again = Fingerprint::from_toml(&fingerprint.id, &fingerprint.to_toml(), "x").unwrap();
    assert_eq!(again, fingerprint);
}

#[test]
fn makers_and_models_are_named_where_the_file_names_them() {
    let mut file = lamp();
    file["ietf-mud:mud"]["mfg-name"] = json!("Example,\n\u{1b}[31m Inc.");
    file["ietf-mud:mud"]["model-name"] = json!("BMS 2000");
    let lamp = read(&file).unwrap().fingerprint;
    assert_eq!(lamp.name(), "Example, [31m Inc. BMS 2000");
    assert_eq!(lamp.id, "example-31m-inc-bms-2000");
    assert_eq!(lamp.note.as_deref(), Some("The BMS Example Light Bulb"));
}

#[test]
fn peers_are_told_from_the_home_and_from_everybody() {
    let to = |network: &str| json!({ "ipv4": { "destination-ipv4-network": network } });
    let named = |name: &str| json!({ "ipv4": { "ietf-acldns:dst-dnsname": name } });
    let tcp = |port: u16| json!({ "destination-port": { "operator": "eq", "port": port } });
    let lamp = read(&lamp_with(&[
        json!({ "ipv4": { "destination-ipv4-network": "203.0.113.7/32", "protocol": 6 }, "tcp": tcp(8883) }),
        json!({ "ipv4": { "destination-ipv4-network": "203.0.113.7/32", "protocol": 1 } }),
        json!({ "ipv4": { "ietf-acldns:dst-dnsname": "a.example.com" }, "tcp": tcp(8443) }),
        json!({ "ipv4": { "ietf-acldns:dst-dnsname": "198.51.100.9" }, "tcp": tcp(443) }),
        json!({ "ipv6": { "destination-ipv6-network": "2001:db8:1::1/48" } }),
        to("192.168.0.0/16"),
        to("224.0.0.251/32"),
        to("0.0.0.0/0"),
        named("Pool.NTP.org."),
        named("two words"),
        json!({ "ietf-mud:mud": { "local-networks": [null] }, "udp": tcp(5353) }),
        json!({ "eth": { "ethertype": "0x888e" } }),
        json!({ "ipv4": { "protocol": 17 }, "udp": { "destination-port": { "lower-port": 9000, "upper-port": 9002 } } }),
        json!({ "ipv4": { "protocol": 17 }, "udp": { "destination-port": { "operator": "gte", "port": 1024 } } }),
    ]))
    .unwrap();
    let Imported {
        fingerprint,
        remarks,
    } = lamp;
    assert_eq!(fingerprint.names.exact, ["a.example.com"]);
    assert_eq!(fingerprint.names.hint, ["pool.ntp.org"]);
    assert_eq!(
        fingerprint.ports,
        ports(&["tcp/8443", "udp/9000", "udp/9001", "udp/9002"])
    );
    let address = |prefix: &str, on: &[&str]| Address {
        prefix: prefix.parse().unwrap(),
        learned: "2019-01-28".parse().unwrap(),
        ports: ports(on),
    };
    assert_eq!(
        fingerprint.addresses,
        [
            address("198.51.100.9/32", &["tcp/443"]),
            address("203.0.113.7/32", &["tcp/8883"]),
            address("2001:db8:1::/48", &[]),
        ]
    );
    assert_eq!(
        remarks,
        [
            "left out: 1 names that are no host's",
            "left out: 3 networks that are local, or too wide to be a server's",
            "left out: 1 ranges of ports",
            "left out: 1 rules for any host",
            "left out: 1 rules for local networks and controllers",
            "left out: 1 rules without an IP address",
        ]
    );
}

#[test]
fn lists_that_no_policy_names_and_rules_that_forbid_count_nothing() {
    let mut file = lamp();
    file["ietf-mud:mud"]["to-device-policy"] = json!({});
    file["ietf-access-control-list:acls"]["acl"][1]["aces"]["ace"][0]["actions"]["forwarding"] =
        json!("ietf-access-control-list:drop");
    let error = refused(&file);
    assert!(
        error.ends_with("would tell the device (left out: 1 rules that forbid something)"),
        "{error}"
    );
}

#[test]
fn drafts_called_the_lists_otherwise() {
    let text = lamp().to_string();
    let text = text.replace("list:acls", "list:access-lists");
    let read = import(text.as_bytes(), "x", &Catalog::default()).unwrap();
    assert_eq!(read.fingerprint.names.exact, ["test.example.com"]);
}

#[test]
fn what_is_wrong_is_told_with_the_file_and_the_place() {
    let changed = |at: &str, value: Value| {
        let mut file = lamp();
        *file.pointer_mut(at).unwrap() = value;
        refused(&file)
    };
    let mud = "/ietf-mud:mud";
    for (at, value, told) in [
        (
            "mud-version",
            json!(2),
            "lamp.json: mud-version: 2 is unknown",
        ),
        ("mud-url", json!("lamp"), "lamp.json: mud-url: write a URL"),
        (
            "mud-url",
            json!("https:///x"),
            "lamp.json: mud-url: write a URL",
        ),
        (
            "mud-url",
            json!("https://a.example/\u{1b}[2J"),
            "lamp.json: mud-url: write a URL",
        ),
        (
            "last-update",
            json!("soon"),
            "lamp.json: last-update: write a date",
        ),
        (
            "last-update",
            json!("2019-02-30T00:00:00Z"),
            "\"2019-02-30\" is no day",
        ),
        (
            "last-update",
            json!(7),
            "lamp.json: invalid type: integer `7`, expected a string at line 1",
        ),
        (
            "from-device-policy/access-lists/access-list/0/name",
            json!("other"),
            "there is no access list \"other\", which a policy names",
        ),
    ] {
        let error = changed(&format!("{mud}/{at}"), value);
        assert!(error.contains(told), "{error}");
    }
    let error = refused(&lamp_with(&[
        json!({ "ipv4": { "destination-ipv4-network": "here" } }),
    ]));
    let told = "lamp.json: list \"mud-76100-v6fr\", rule \"r\": \"here\" is no network; write 192.0.2.0/24";
    assert!(error.starts_with(told), "{error}");
}

#[test]
fn hostile_files_are_refused_in_bounded_time_and_space() {
    let refused = |bytes: &mut dyn std::io::Read| {
        import(bytes, "x", &Catalog::default())
            .unwrap_err()
            .to_string()
    };
    let endless = refused(&mut std::io::repeat(b' '));
    assert!(endless.starts_with("x: larger than 4 MiB"), "{endless}");
    let deep = refused(&mut vec![b'['; LARGEST].as_slice());
    assert!(deep.starts_with("x: "), "{deep}");
    for text in ["", "{}", "null", "\u{feff}[]", "{\"ietf-mud:mud\": 1}"] {
        let error = refused(&mut text.as_bytes());
        assert!(error.contains("(RFC 8520)"), "{error}");
    }
    // A list named forty thousand times is read once: each of its rules is counted once.
    let class = json!({ "ietf-mud:mud": { "local-networks": [null] } });
    let mut rules = vec![class; 5_000];
    rules.push(json!({ "ipv4": { "ietf-acldns:dst-dnsname": "a.acme.com" } }));
    let mut file = lamp_with(&rules);
    file["ietf-mud:mud"]["from-device-policy"]["access-lists"]["access-list"] =
        vec![json!({ "name": "mud-76100-v6fr" }); 40_000].into();
    let remarks = read(&file).unwrap().remarks;
    assert_eq!(
        remarks,
        ["left out: 5000 rules for local networks and controllers"]
    );
}

#[test]
fn more_names_than_any_device_has_are_counted_not_kept() {
    let named =
        |n: u32| json!({ "ipv4": { "ietf-acldns:dst-dnsname": format!("n{n}.example.com") } });
    let rules: Vec<Value> = (0..4_100).map(named).collect();
    let Imported {
        fingerprint,
        remarks,
    } = read(&lamp_with(&rules)).unwrap();
    assert_eq!(fingerprint.names.exact.len(), 4_096);
    assert_eq!(remarks, ["left out: 4 names beyond the first 4096"]);
}

#[test]
fn a_fingerprint_is_written_as_the_standard_has_it() {
    let lamp = toml(
        "sources = [\"learned from a LAN capture of 2024-03-05\"]\nports = [\"udp/56700\"]\n\
         [names]\nexact = [\"api.acme.com\"]\nsuffix = [\"acme.com\"]\n\
         [[addresses]]\nprefix = \"203.0.113.7/32\"\nlearned = \"2024-03-04\"\nports = [\"tcp/8883\"]\n\
         [mac]\noui = [\"ec:1a:59\"]\n",
    );
    let Exported { json, remarks } = export(&lamp).unwrap();
    let file: Value = serde_json::from_str(&json).unwrap();
    let mud = &file["ietf-mud:mud"];
    assert_eq!(mud["mud-version"], 1);
    assert_eq!(mud["mud-url"], "https://mud.example/acme-lamp");
    assert_eq!(mud["last-update"], "2024-03-04T00:00:00+00:00");
    assert_eq!(mud["cache-validity"], 48);
    assert_eq!(mud["is-supported"], true);
    assert_eq!(mud["systeminfo"], "Acme Lamp");
    let list = &mud["from-device-policy"]["access-lists"]["access-list"];
    assert_eq!(
        *list,
        json!([{ "name": "acme-lamp-from-v4" }, { "name": "acme-lamp-from-v6" }])
    );
    let acls = file["ietf-access-control-list:acls"]["acl"]
        .as_array()
        .unwrap();
    let kinds: Vec<&Value> = acls.iter().map(|acl| &acl["type"]).collect();
    assert_eq!(
        kinds,
        [
            "ipv4-acl-type",
            "ipv6-acl-type",
            "ipv4-acl-type",
            "ipv6-acl-type"
        ]
    );
    let rules = |list: usize| {
        let rules = acls[list]["aces"]["ace"].as_array().unwrap();
        rules
            .iter()
            .map(|rule| rule["matches"].clone())
            .collect::<Vec<_>>()
    };
    let port = |number: u16| json!({ "operator": "eq", "port": number });
    assert_eq!(
        rules(0),
        [
            json!({ "ipv4": { "ietf-acldns:dst-dnsname": "api.acme.com" } }),
            json!({
                "ipv4": { "protocol": 6, "destination-ipv4-network": "203.0.113.7/32" },
                "tcp": { "ietf-mud:direction-initiated": "from-device", "destination-port": port(8883) }
            }),
            json!({ "ipv4": { "protocol": 17 }, "udp": { "destination-port": port(56700) } }),
        ]
    );
    assert_eq!(
        rules(3),
        [
            json!({ "ipv6": { "ietf-acldns:src-dnsname": "api.acme.com" } }),
            json!({ "ipv6": { "protocol": 17 }, "udp": { "source-port": port(56700) } }),
        ]
    );
    assert_eq!(
        remarks,
        [
            "left out: acme.com; MUD files name whole hosts, not domains or patterns",
            "left out: hardware addresses, DHCP words and habits",
            "udp/56700: accepted with any host, as the fingerprint does not tie them to one",
        ]
    );
}

#[test]
fn an_empty_policy_would_forbid_everything_and_is_not_written() {
    let error = export(&toml("[names]\nsuffix = [\"acme.com\"]\n")).unwrap_err();
    assert!(matches!(error, MudError::Unsayable { .. }), "{error}");
}

#[test]
fn the_url_and_day_of_an_imported_file_are_written_again() {
    let lamp = read(&lamp()).unwrap().fingerprint;
    let file: Value = serde_json::from_str(&export(&lamp).unwrap().json).unwrap();
    let mud = &file["ietf-mud:mud"];
    assert_eq!(mud["mud-url"], "https://lighting.example.com/lightbulb2000");
    assert_eq!(mud["last-update"], "2019-01-28T00:00:00+00:00");
}

/// What is written is read back whole, and what was read back is written the same: over all fingerprints that can be said.
#[test]
fn names_addresses_and_ports_pass_there_and_back() {
    let catalog = Catalog::embedded().unwrap();
    let odd = toml(
        "ports = [\"tcp/443\", \"udp/9\"]\n[names]\nexact = [\"_x.acme.com\", \"lamp\"]\nhint = [\"time.acme.com\"]\n\
         [[addresses]]\nprefix = \"2001:db8::/32\"\nlearned = \"2024-03-04\"\n\
         [[addresses]]\nprefix = \"203.0.113.0/24\"\nlearned = \"2024-03-04\"\nports = [\"tcp/443\", \"udp/443\"]\n",
    );
    let mut said = 0;
    for fingerprint in catalog.iter().chain([&odd]) {
        let Ok(file) = export(fingerprint) else {
            let names = &fingerprint.names;
            assert!(
                names.exact.is_empty() && fingerprint.addresses.is_empty(),
                "{}",
                fingerprint.id
            );
            continue;
        };
        said += 1;
        let back = import(file.json.as_bytes(), "x", &catalog)
            .unwrap()
            .fingerprint;
        assert_eq!(back.id, fingerprint.id);
        assert_eq!(back.name(), fingerprint.name());
        assert_eq!(back.ports, fingerprint.ports);
        let reach = |one: &Fingerprint| {
            let of = |address: &Address| (address.prefix.trunc(), address.ports.clone());
            one.addresses.iter().map(of).collect::<BTreeSet<_>>()
        };
        assert_eq!(reach(&back), reach(fingerprint), "{}", fingerprint.id);
        for name in &fingerprint.names.exact {
            assert!(
                back.names.exact.contains(name),
                "{}: {name}",
                fingerprint.id
            );
        }
        let whole = |one: &Fingerprint| {
            let all = one.names.exact.iter().chain(&one.names.hint);
            all.filter(|name| is_host_name(name))
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(whole(&back), whole(fingerprint), "{}", fingerprint.id);
        assert!(
            export(&back).unwrap().json == file.json,
            "{}",
            fingerprint.id
        );
        let again = Fingerprint::from_toml(&back.id, &back.to_toml(), "x").unwrap();
        assert_eq!(again, back);
    }
    assert!(said > 100, "{said}");
}

proptest::proptest! {
    /// Whatever a file says of itself, what is made of it is a fingerprint that can be written and read.
    #[test]
    fn any_texts_make_a_readable_fingerprint_or_an_error(
        maker in proptest::option::of(".{0,130}"),
        model in proptest::option::of(".{0,130}"),
        info in proptest::option::of(".{0,60}"),
        url in "(https://mud.example/[a-z-]{0,20}|https?://.{0,20})",
        name in "([A-Za-z0-9_.*/ -]{0,20}|.{0,20})",
        network in "([0-9]{1,3}\\.[0-9]{1,3}\\.0\\.0/[0-9]{1,2}|2[0-9a-f]{0,3}::/[0-9]{1,3}|.{0,9})",
        port: u16,
        upper: u16,
    ) {
        let mut file = lamp_with(&[
            json!({ "ipv4": { "ietf-acldns:dst-dnsname": name } }),
            json!({ "ipv4": { "ietf-acldns:dst-dnsname": "a.acme.com" }, "udp": { "destination-port": { "lower-port": port, "upper-port": upper } } }),
        ]);
        let mud = &mut file["ietf-mud:mud"];
        mud["mfg-name"] = json!(maker);
        mud["model-name"] = json!(model);
        mud["systeminfo"] = json!(info);
        mud["mud-url"] = json!(url);
        let with_network = {
            let mut file = file.clone();
            file["ietf-access-control-list:acls"]["acl"][1]["aces"]["ace"][0]["matches"] =
                json!({ "ipv6": { "destination-ipv6-network": network } });
            file
        };
        for file in [file, with_network] {
            if let Ok(Imported { fingerprint, .. }) = read(&file) {
                let again = Fingerprint::from_toml(&fingerprint.id, &fingerprint.to_toml(), "x");
                proptest::prop_assert_eq!(again.unwrap(), fingerprint.clone());
                let json = export(&fingerprint).unwrap().json;
                let back = import(json.as_bytes(), "x", &Catalog::default()).unwrap().fingerprint;
                proptest::prop_assert_eq!(back.names, fingerprint.names);
                proptest::prop_assert_eq!(back.addresses, fingerprint.addresses);
                proptest::prop_assert_eq!(back.ports, fingerprint.ports);
            }
        }
    }

    /// A file damaged anywhere is read or refused, never more.
    #[test]
    fn damaged_files_are_read_or_refused(at: proptest::sample::Index, byte: u8, cut: proptest::sample::Index) {
        let mut bytes = lamp().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = import(bytes.as_slice(), "x", &Catalog::default());
        bytes.truncate(cut.index(bytes.len()));
        proptest::prop_assert!(import(bytes.as_slice(), "x", &Catalog::default()).is_err());
    }
}
