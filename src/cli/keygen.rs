//! `keygen`: a new pair of static keys for one end of a tunnel.

use crate::cli::args::KeygenArgs;
use crate::cli::exit::Exit;
use crate::cli::print::print;
use crate::gateway::keys::Pair;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Runs the command: the pair goes into the file, for its owner alone; the public key to standard output, for the other end.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn run(args: &KeygenArgs) -> anyhow::Result<Exit> {
    let pair = Pair::generate(&mut ChaCha8Rng::from_entropy())?;
    pair.write(&args.out)?;
    print(format!("{}\n", pair.public))
}
