//! `ladder DAYS [DEFENSE...]`: the whole ladder of adversaries, taught on one made-up home of people with habits and twelve devices and asked about
//! another. Its time, and what it found, on standard output; the memory is for `benches/ladder.sh` to measure.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};
use stp_audit::adversary::{Settings as Watching, ADVERSARIES, PUPILS};
use stp_audit::audit::saved::pack;
use stp_audit::audit::school::Teaching;
use stp_audit::audit::{run_taught, Audit};
use stp_audit::defense::{find, Settings};
use stp_audit::model::{generate, HomeModel};
use stp_audit::trace::Trace;

fn lived(home: &HomeModel, days: u64, seed: u64) -> Result<Trace, stp_audit::trace::TraceError> {
    generate(home, days * 86_400, &mut ChaCha8Rng::seed_from_u64(seed)).checked()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let days: u64 = words
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(30);
    let mut names: Vec<String> = words.collect();
    if names.is_empty() {
        names = ["none", "vpn", "stp"].map(String::from).to_vec();
    }
    let begun = Instant::now();
    let home = HomeModel::habits();
    let (trace, other) = (lived(&home, days, 1)?, [lived(&home, days, 2)?]);
    let defenses = names
        .into_iter()
        .map(|name| {
            let row = find(&name).ok_or_else(|| format!("no defense {name}"))?;
            let made = (row.make)(&Settings::default(), &trace).map_err(|e| e.to_string())?;
            Ok((name, made))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let adversaries: Vec<_> = ADVERSARIES.iter().collect();
    let pupils: Vec<_> = PUPILS.iter().collect();
    let audit = Audit {
        trace: &trace,
        defenses: &defenses,
        adversaries: &adversaries,
        trials: 3,
        seed: 1,
        jobs: Some(2),
        tolerance: Duration::from_secs(1),
    };
    let teaching = Teaching {
        pupils: &pupils,
        others: &other,
        ladder: true,
        keep: true,
        ..Teaching::none()
    };
    let made = begun.elapsed();
    let found = run_taught(&audit, &Watching::default(), &teaching, &|_, _| {}, &|| {
        false
    });
    println!(
        "{} devices, {days} days, {} packets, {} activities: made up in {:.1} s, taught and asked in {:.1} s; models {} bytes",
        trace.devices.len(),
        trace.packets.len(),
        trace.activities.len(),
        made.as_secs_f64(),
        (begun.elapsed() - made).as_secs_f64(),
        pack(&found.models)?.len()
    );
    for rung in &found.ladder {
        println!(
            "{:6}{:20} AUC {:.3} [{:.3}, {:.3}]  lift {:6.2}  top 10 % {:5.1} %  base {:4.1} %  of {}",
            rung.defense,
            rung.adversary,
            rung.auc.value,
            rung.auc.low,
            rung.auc.high,
            rung.lift.value,
            rung.confidence_at.top_10_percent.value * 100.0,
            rung.base_rate * 100.0,
            rung.questions
        );
        for of in &rung.ways {
            println!(
                "       {:12} {:?}, taken {:?}",
                of.device, of.areas, of.taken
            );
        }
    }
    for text in &found.caveats {
        println!("{text}");
    }
    Ok(())
}
