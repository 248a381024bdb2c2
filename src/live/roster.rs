//! The devices of a home over time: who is who when they are told apart anew.
//!
//! The inventory ([`crate::device::inventory`]) is drawn up again and again while the watch goes on, each time from all that
//! is known. A device keeps its name and its window from one to the next: by its hardware address, else by its address at
//! the LAN, else by the traffic of the flows it had before. Flows that began since go to their device at once where a
//! hardware address, an address or a server that only one device talks to says whose they are; the next inventory may say
//! otherwise, and then their rates move with them.

use crate::activity::claim;
use crate::activity::online::{Finding, Online};
use crate::device::inventory::{id_base, Candidate, Draft, Sign};
use crate::flow::home::{Home, Side, Vantage};
use crate::flow::key::{End, FlowKey};
use crate::flow::table::Flow;
use crate::inference;
use crate::live::event::{Named, Use, What};
use crate::packet::dissect::Protocol;
use crate::units::Mac;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Devices watched; a scan from a thousand made-up senders finds no more.
pub const MEMBERS: usize = 1024;
/// Active bins of all devices' windows together, 24 bytes each; the longest window gives way beyond.
pub const BINS: usize = 2 << 20;
/// Names of devices that left, kept for their return.
const FORMER: usize = 4096;

/// A device for as long as the watch lasts.
pub type Slot = u32;

/// A device that is watched.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub id: String,
    base: String,
    /// What it may be.
    pub candidates: Vec<Candidate>,
    /// What speaks for it.
    pub evidence: Vec<Sign>,
    /// Its address at the LAN.
    pub address: Option<IpAddr>,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// How many flows are its own.
    pub flows: u64,
    /// Its traffic of the last window, and what goes on in it.
    pub window: Online,
    /// Its last active bin, with its bytes up and down.
    pub beat: (i64, u64, u64),
    /// Uses told.
    pub uses: u64,
    /// The latest use, as far as it is known.
    pub last: Option<claim::Activity>,
}

impl Member {
    fn named(&self) -> Named {
        Named {
            device: self.id.clone(),
            candidates: self
                .candidates
                .iter()
                .map(inference::Candidate::of)
                .collect(),
            evidence: self.evidence.iter().map(inference::Evidence::of).collect(),
            address: self.address.map(|address| address.to_string()),
            mac: self.mac.map(|mac| mac.to_string()),
        }
    }

    /// A finding of its window, as it is told.
    pub fn tell(&mut self, finding: Finding) -> What {
        let of = |activity: &claim::Activity| Use {
            device: self.id.clone(),
            name: self.candidates.first().map(|best| best.name.clone()),
            activity: inference::Activity::of(activity),
        };
        match finding {
            Finding::Began(activity) => {
                let what = What::ActivityStarted(of(&activity));
                self.uses += 1;
                self.last = Some(activity);
                what
            }
            Finding::Ended(activity) => {
                let what = What::ActivityEnded(of(&activity));
                self.last = Some(activity);
                what
            }
        }
    }
}

/// Whose a flow is: a device, or two at home that talk to each other, with the end that is theirs.
pub type Owner = [Option<(Slot, End)>; 2];

/// What an inventory changed.
#[derive(Debug, Default)]
pub struct Taken {
    /// To be told.
    pub said: Vec<What>,
    /// Flows (places in the list the inventory was drawn from) that went to a device and were nobody's: its window lacks them.
    pub joined: Vec<(Slot, usize, End)>,
    /// Devices that lost flows: their windows are wrong.
    pub shaken: BTreeSet<Slot>,
}

/// All devices.
#[derive(Debug, Default)]
pub struct Roster {
    members: BTreeMap<Slot, Member>,
    slots: Slot,
    owners: HashMap<u64, Owner, RandomState>,
    macs: BTreeMap<Mac, Slot>,
    addresses: BTreeMap<IpAddr, Slot>,
    /// Who talks to a server; nobody where several do.
    servers: HashMap<(Protocol, IpAddr, u16), Option<Slot>, RandomState>,
    home: Option<Home>,
    former: BTreeMap<Mac, String>,
    unknowns: u64,
    /// Devices that found no room.
    pub crowded: u64,
}

impl Roster {
    /// The home, once there was an inventory.
    pub fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }

    /// The devices, in the order they were found.
    pub fn members(&self) -> impl Iterator<Item = (Slot, &Member)> {
        self.members.iter().map(|(slot, member)| (*slot, member))
    }

    /// The devices, to change.
    pub fn members_mut(&mut self) -> impl Iterator<Item = (Slot, &mut Member)> {
        let members = self.members.iter_mut();
        members.map(|(slot, member)| (*slot, member))
    }

    /// One device.
    pub fn member(&mut self, slot: Slot) -> Option<&mut Member> {
        self.members.get_mut(&slot)
    }

    /// Whose a flow is, by its number.
    pub fn owner(&self, flow: u64) -> Option<Owner> {
        self.owners.get(&flow).copied()
    }

    /// Gives a flow that began since the last inventory to whom it clearly belongs.
    pub fn place(&mut self, key: &FlowKey, flow: &Flow) -> Option<Owner> {
        let home = self.home.as_ref()?;
        let host = |end: End| {
            let card = flow.macs[end.index()].filter(|mac| !home.is_router(*mac));
            let by_card = card.and_then(|mac| self.macs.get(&mac));
            by_card.or_else(|| self.addresses.get(&key.end(end).address))
        };
        let at = |end: End| host(end).map(|slot| (*slot, end));
        let owner = match (home.vantage, home.side(key, flow)) {
            (Vantage::Lan, Side::One(end)) => [Some(at(end)?), None],
            (Vantage::Lan, Side::Both(end)) => [Some(at(end)?), at(end.other())],
            (Vantage::Wan, Side::One(end)) => {
                let far = key.end(end.other());
                let server = (key.protocol(), far.address, far.port);
                [Some((self.servers.get(&server).copied()??, end)), None]
            }
            // Nobody's, and surely so.
            (_, Side::Neither) => [None, None],
            (Vantage::Wan, Side::Both(_)) => return None,
        };
        self.owners.insert(flow.serial, owner);
        Some(owner)
    }

    /// Takes a new inventory, drawn from `flows`. A device that is new begins with a window from `begin`, which is told whether
    /// it was here before.
    pub fn take(
        &mut self,
        mut drafts: Vec<Draft>,
        flows: &[(FlowKey, Flow)],
        home: Home,
        begin: impl Fn(bool) -> Online,
    ) -> Taken {
        let serial = |place: usize| flows.get(place).map_or(u64::MAX, |(_, flow)| flow.serial);
        let first = |draft: &Draft| draft.own.iter().map(|at| serial(*at)).min();
        // Who came first is named first, whatever order the inventory has.
        drafts.sort_by_cached_key(|draft| (first(draft).unwrap_or(u64::MAX), draft.mac));
        let known = self.recognise(&drafts, flows);
        let seen: BTreeSet<Slot> = known.iter().flatten().copied().collect();
        let gone: Vec<Slot> = self
            .members
            .keys()
            .copied()
            .filter(|slot| !seen.contains(slot))
            .collect();
        let mut slots: Vec<(Option<Slot>, bool)> = Vec::with_capacity(drafts.len());
        for (draft, slot) in drafts.iter().zip(known) {
            slots.push(match slot {
                Some(slot) => (Some(slot), false),
                None if self.members.len() >= MEMBERS => {
                    self.crowded += 1;
                    (None, false)
                }
                None => (Some(self.meet(draft, &begin)), true),
            });
        }
        let mut taken = Taken::default();
        let mut owners: HashMap<u64, Owner, RandomState> = HashMap::default();
        for (draft, (slot, _)) in drafts.iter().zip(&slots) {
            let Some(slot) = *slot else { continue };
            for (place, end) in &draft.rates {
                let owner = owners.entry(serial(*place)).or_default();
                if let Some(free) = owner.iter_mut().find(|one| one.is_none()) {
                    *free = Some((slot, *end));
                }
                let before = self.owners.get(&serial(*place));
                if !before.is_some_and(|owner| owner.contains(&Some((slot, *end)))) {
                    taken.joined.push((slot, *place, *end));
                }
            }
        }
        let mut heirs: BTreeMap<Slot, BTreeMap<Slot, u64>> = BTreeMap::new();
        for (_, flow) in flows {
            let now = owners.get(&flow.serial).copied().unwrap_or_default();
            let before = self
                .owners
                .get(&flow.serial)
                .into_iter()
                .flatten()
                .flatten();
            for (slot, end) in before.filter(|one| !now.contains(&Some(**one))) {
                taken.shaken.insert(*slot);
                for (heir, _) in now.iter().flatten().filter(|(_, its)| its == end) {
                    *heirs.entry(*slot).or_default().entry(*heir).or_default() += flow.bytes();
                }
            }
        }
        self.owners = owners;
        // First who leaves: whoever it is a part of may take its name.
        for slot in gone {
            let heirs = heirs.get(&slot);
            let heir = heirs.and_then(|all| all.iter().max_by_key(|(_, bytes)| **bytes));
            let into = heir.and_then(|(heir, _)| Some(self.members.get(heir)?.id.clone()));
            taken.said.extend(self.leave(slot, into));
            taken.shaken.remove(&slot);
        }
        for (draft, (slot, is_new)) in drafts.iter().zip(slots) {
            let told = slot.and_then(|slot| self.update(slot, draft, is_new));
            taken.said.extend(told);
        }
        self.index(&drafts, flows, home);
        taken
    }

    /// Which member each draft is, if it is one.
    fn recognise(&self, drafts: &[Draft], flows: &[(FlowKey, Flow)]) -> Vec<Option<Slot>> {
        let mut votes: Vec<(u64, usize, Slot)> = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            let mut of_draft: BTreeMap<Slot, u64> = BTreeMap::new();
            for (place, end) in &draft.rates {
                let Some((_, flow)) = flows.get(*place) else {
                    continue;
                };
                let before = self
                    .owners
                    .get(&flow.serial)
                    .into_iter()
                    .flatten()
                    .flatten();
                for (slot, _) in before.filter(|(_, its)| its == end) {
                    let bytes = of_draft.entry(*slot).or_default();
                    *bytes = bytes.saturating_add(flow.bytes().max(1));
                }
            }
            for (slot, member) in &self.members {
                let same_card = draft.mac.is_some() && draft.mac == member.mac;
                let other_card = draft.mac.is_some() && member.mac.is_some() && !same_card;
                let same_address = draft.address.is_some() && draft.address == member.address;
                let sure = match (same_card, same_address) {
                    (true, _) => u64::MAX,
                    (false, true) if !other_card => u64::MAX - 1,
                    _ if other_card => continue,
                    _ => match of_draft.get(slot) {
                        Some(bytes) => *bytes,
                        None => continue,
                    },
                };
                votes.push((sure, at, *slot));
            }
        }
        votes.sort_unstable_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut slots = vec![None; drafts.len()];
        let mut taken = BTreeSet::new();
        for (_, at, slot) in votes {
            if let Some(free) = slots.get_mut(at).filter(|found| found.is_none()) {
                if taken.insert(slot) {
                    *free = Some(slot);
                }
            }
        }
        slots
    }

    fn meet(&mut self, draft: &Draft, begin: &impl Fn(bool) -> Online) -> Slot {
        let slot = self.slots;
        self.slots = self.slots.saturating_add(1);
        let base = id_base(&draft.candidates);
        let former = draft.mac.and_then(|mac| self.former.remove(&mac));
        let window = begin(former.is_some());
        let back = former.filter(|id| id_of(&base, id) && !self.is_taken(id));
        let id = back.unwrap_or_else(|| self.new_id(&draft.candidates, &base));
        let member = Member {
            id,
            base,
            candidates: Vec::new(),
            evidence: Vec::new(),
            address: None,
            mac: None,
            flows: 0,
            window,
            beat: (i64::MIN, 0, 0),
            uses: 0,
            last: None,
        };
        self.members.insert(slot, member);
        slot
    }

    /// What an inventory says of a member: told where it is new, or now called otherwise.
    fn update(&mut self, slot: Slot, draft: &Draft, is_new: bool) -> Option<What> {
        let base = id_base(&draft.candidates);
        let member = self.members.get(&slot)?;
        // What once was known and cannot be told any more, as its signs are older than what is remembered, stays known.
        let forgotten = draft.candidates.is_empty() && !member.candidates.is_empty();
        let was = member.id.clone();
        let renamed = !forgotten && member.base != base;
        let id = match renamed {
            true => self.new_id(&draft.candidates, &base),
            false => was.clone(),
        };
        let member = self.members.get_mut(&slot)?;
        if !forgotten {
            member.id = id;
            member.base = base;
            member.candidates = draft.candidates.clone();
            member.evidence = draft.evidence.clone();
        }
        member.address = draft.address.or(member.address);
        member.mac = draft.mac.or(member.mac);
        member.flows = draft.own.len() as u64;
        match (is_new, renamed) {
            (true, _) => Some(What::DeviceFound(member.named())),
            (false, true) => Some(What::DeviceChanged {
                was,
                is: member.named(),
            }),
            (false, false) => None,
        }
    }

    fn leave(&mut self, slot: Slot, into: Option<String>) -> Vec<What> {
        let Some(mut member) = self.members.remove(&slot) else {
            return Vec::new();
        };
        if let Some(mac) = member.mac.filter(|_| self.former.len() < FORMER) {
            self.former.insert(mac, member.id.clone());
        }
        let ended = member.window.end();
        let mut said: Vec<What> = ended.into_iter().map(|one| member.tell(one)).collect();
        said.push(What::DeviceGone {
            device: member.id,
            into,
        });
        said
    }

    fn is_taken(&self, id: &str) -> bool {
        self.members.values().any(|member| member.id == id)
    }

    /// A name nobody bears; a number once given to an unknown is given to no other.
    fn new_id(&mut self, candidates: &[Candidate], base: &str) -> String {
        if candidates.is_empty() {
            self.unknowns += 1;
            return format!("{base}-{}", self.unknowns);
        }
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        let free = names.find(|name| !self.is_taken(name));
        free.unwrap_or_else(|| base.to_owned())
    }

    /// Notes by what new flows are known.
    fn index(&mut self, drafts: &[Draft], flows: &[(FlowKey, Flow)], home: Home) {
        self.macs = self.by(|member| member.mac);
        self.addresses = self.by(|member| member.address);
        for draft in drafts {
            let slot = draft.mac.and_then(|mac| self.macs.get(&mac)).copied();
            let slot = slot.or_else(|| self.addresses.get(&draft.address?).copied());
            for address in &draft.addresses {
                if let Some(slot) = slot {
                    self.addresses.insert(*address, slot);
                }
            }
        }
        self.servers.clear();
        if home.vantage == Vantage::Wan {
            for (key, flow) in flows {
                let Side::One(end) = home.side(key, flow) else {
                    continue;
                };
                let owner = self.owners.get(&flow.serial).copied().unwrap_or_default();
                let slot = owner.into_iter().flatten().next().map(|(slot, _)| slot);
                let far = key.end(end.other());
                let server = (key.protocol(), far.address, far.port);
                let known = self.servers.entry(server).or_insert(slot);
                if *known != slot {
                    *known = None;
                }
            }
        }
        self.home = Some(home);
    }

    fn by<K: Ord>(&self, key: impl Fn(&Member) -> Option<K>) -> BTreeMap<K, Slot> {
        let keyed = self.members.iter();
        keyed
            .filter_map(|(slot, member)| Some((key(member)?, *slot)))
            .collect()
    }

    /// Sees to it that all windows together hold no more than so many active bins: the one with the most gives way.
    pub fn bound(&mut self, at_most: usize) {
        let all = |members: &BTreeMap<Slot, Member>| -> usize {
            members.values().map(|member| member.window.len()).sum()
        };
        while all(&self.members) > at_most {
            let longest = self
                .members
                .values_mut()
                .max_by_key(|member| member.window.len());
            let Some(member) = longest else { break };
            member.window.shorten();
        }
    }
}

/// Whether a name is `base`, or `base` with a number.
fn id_of(base: &str, id: &str) -> bool {
    id.strip_prefix(base).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|number| number.parse::<u64>().is_ok())
    })
}

#[cfg(test)]
mod tests;
