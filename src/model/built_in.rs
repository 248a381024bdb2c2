//! Homes that come with the program: one to try everything on, and the three in which a VPN fails (the paper, section 5.2).
//!
//! All are synthetic. Of the devices beside the paper's three nothing but their kind and their servers' names is real; sizes,
//! lengths and habits are assumed.

use super::device::{fitted, steady, DeviceModel};
use super::home::HomeModel;
use super::household::Habit;
use crate::units::Probability;
use std::time::Duration;

/// Uses as (milliseconds, bytes up, bytes down).
type Uses = [(u64, u32, u32)];

fn assumed(id: &str, name: &str, server: &str, label: &str, uses: &Uses) -> DeviceModel {
    let activities: Vec<_> = uses
        .iter()
        .map(|&(ms, up, down)| {
            // Full packets one way are acknowledged by small ones the other way.
            let size = |bytes: u32, other: u32| match bytes > other {
                true => 1_200,
                false => 120,
            };
            let packets = (size(up, down), size(down, up));
            steady(label, Duration::from_millis(ms), (up, down), packets)
        })
        .collect();
    let (period, rate_up, rate_down) = fitted(&activities);
    DeviceModel {
        id: id.to_owned(),
        name: name.to_owned(),
        activities,
        server: server.to_owned(),
        background: None,
        period,
        rate_up,
        rate_down,
        calibrated: Vec::new(),
    }
}

fn plug() -> DeviceModel {
    let uses = [
        (600, 1_900, 1_400),
        (800, 2_100, 1_500),
        (700, 2_000, 1_400),
    ];
    let name = "TP-Link Smart Plug";
    assumed("plug", name, "devs.tplinkcloud.com", "switch", &uses)
}

fn sleep_monitor() -> DeviceModel {
    let uses = [
        (3_000, 9_000, 2_000),
        (4_500, 14_000, 2_600),
        (3_500, 10_500, 2_200),
    ];
    let name = "Sense Sleep Monitor";
    assumed("sense", name, "sense-in.hello.is", "sleep", &uses)
}

fn lock() -> DeviceModel {
    let uses = [
        (1_500, 3_200, 2_800),
        (2_000, 3_600, 3_000),
        (1_200, 2_900, 2_700),
    ];
    let name = "Smart Door Lock";
    assumed("lock", name, "lock.example.net", "door", &uses)
}

fn bulb() -> DeviceModel {
    let uses = [(400, 700, 600), (500, 800, 600)];
    let name = "Geeni Lightbulb";
    assumed("bulb", name, "a.gw.tuyaus.com", "light", &uses)
}

fn motion() -> DeviceModel {
    let uses = [(300, 420, 300), (400, 480, 300)];
    let name = "Motion Sensor";
    assumed("motion", name, "motion.example.net", "motion", &uses)
}

/// A washing machine or a dryer: where it is in its programme.
fn machine() -> DeviceModel {
    let uses = [(1_800, 3_400, 2_100), (2_400, 3_900, 2_300)];
    let name = "Washing Machine";
    assumed("machine", name, "appliance.example.net", "programme", &uses)
}

/// Live video: some ten to twenty seconds at about 150 KB/s.
fn camera() -> DeviceModel {
    let uses = [
        (12_000, 1_800_000, 60_000),
        (20_000, 3_100_000, 100_000),
        (16_000, 2_350_000, 80_000),
    ];
    let name = "Amcrest Security Camera";
    assumed("camera", name, "dh.amcrestsecurity.com", "video", &uses)
}

/// Once in so many idle seconds, on average.
fn once_in(seconds: u32) -> Probability {
    Probability::clamped(1.0 / f64::from(seconds.max(1)))
}

fn home(id: &str, name: &str) -> HomeModel {
    HomeModel {
        id: id.to_owned(),
        name: name.to_owned(),
        devices: Vec::new(),
    }
}

impl HomeModel {
    /// The home that comes with the program: the paper's three devices and four more, all with heartbeats. Synthetic.
    pub fn built_in() -> Self {
        let mut built = home("built-in", "The built-in home, which is synthetic");
        let habits = [(1_800, 60), (600, 30), (900, 45)];
        for (model, (seconds, heartbeat)) in DeviceModel::published().into_iter().zip(habits) {
            built = built.with(model.with_heartbeat(heartbeat, 66), once_in(seconds));
        }
        built
            .with(sleep_monitor().with_heartbeat(120, 90), once_in(3_600))
            .with(plug().with_heartbeat(60, 60), once_in(2_400))
            .with(bulb().with_heartbeat(20, 54), once_in(1_200))
            .with(lock().with_heartbeat(90, 72), once_in(5_400))
    }

    /// Section 5.2, case 1: a single device, whose traffic is the tunnel's. Synthetic.
    pub fn single_device() -> Self {
        DeviceModel::published().into_iter().take(1).fold(
            home("single-device", "A home with a single device (synthetic)"),
            |home, wemo| home.with(wemo, once_in(300)),
        )
    }

    /// Section 5.2, case 2: several devices that are rarely used at once, a door lock and a sleep monitor. Synthetic.
    pub fn sparse_activity() -> Self {
        home(
            "sparse-activity",
            "A home whose devices are rarely used at once (synthetic)",
        )
        .with(lock().with_heartbeat(90, 72), once_in(1_800))
        .with(sleep_monitor().with_heartbeat(120, 90), once_in(1_800))
    }

    /// Section 5.2, case 3: a camera whose video dwarfs all else, beside outlets that are switched often. Synthetic.
    pub fn dominating_device() -> Self {
        let mut built = home(
            "dominating-device",
            "A home where a camera's video dwarfs all else (synthetic)",
        )
        .with(camera().with_heartbeat(30, 66), once_in(900));
        for n in 1..=3 {
            let mut outlet = plug();
            outlet.id = format!("plug-{n}");
            outlet.name = format!("{} {n}", outlet.name);
            built = built.with(outlet.with_heartbeat(60, 60), once_in(60));
        }
        built
    }

    /// People with habits and twelve devices: mornings and evenings, working days and weekends, washes of a fixed rhythm, days
    /// away. Synthetic; see [`super::household`].
    pub fn habits() -> Self {
        let name = "A home of people with habits, twelve devices and days away (synthetic)";
        let named = |mut model: DeviceModel, id: &str, name: &str| {
            (model.id, model.name) = (id.to_owned(), name.to_owned());
            model
        };
        let mut published = DeviceModel::published().into_iter();
        let mut built = home("habits", name);
        // The paper's three: a switch, a camera, a speaker, in the order they are published in.
        let parts = [
            ("tv", "WeMo Switch of the television", Habit::Television, 60),
            (
                "doorbell",
                "Nest Security Camera at the door",
                Habit::Doorbell,
                30,
            ),
            ("speaker", "Amazon Echo", Habit::Speaker, 45),
        ];
        for ((id, name, habit, heartbeat), model) in parts.into_iter().zip(&mut published) {
            built = built.with_habit(named(model, id, name).with_heartbeat(heartbeat, 66), habit);
        }
        built
            .with_habit(lock().with_heartbeat(90, 72), Habit::Door)
            .with_habit(
                named(motion(), "hall", "Motion Sensor in the hall").with_heartbeat(120, 60),
                Habit::Hall,
            )
            .with_habit(
                named(bulb(), "kitchen-light", "Geeni Lightbulb in the kitchen")
                    .with_heartbeat(60, 54),
                Habit::Kitchen,
            )
            .with_habit(
                named(
                    bulb(),
                    "living-room-light",
                    "Geeni Lightbulb in the living room",
                )
                .with_heartbeat(60, 54),
                Habit::LivingRoom,
            )
            .with_habit(
                named(plug(), "coffee", "TP-Link Smart Plug of the coffee maker")
                    .with_heartbeat(60, 60),
                Habit::Coffee,
            )
            .with_habit(
                named(plug(), "kettle", "TP-Link Smart Plug of the kettle").with_heartbeat(60, 60),
                Habit::Kettle,
            )
            .with_habit(
                named(machine(), "washer", "Washing Machine").with_heartbeat(120, 80),
                Habit::Washer,
            )
            .with_habit(
                named(machine(), "dryer", "Dryer").with_heartbeat(120, 80),
                Habit::Dryer,
            )
            .with_habit(sleep_monitor().with_heartbeat(120, 90), Habit::Bed)
    }

    /// All that come with the program.
    pub fn all() -> Vec<Self> {
        vec![
            Self::built_in(),
            Self::single_device(),
            Self::sparse_activity(),
            Self::dominating_device(),
            Self::habits(),
        ]
    }
}
