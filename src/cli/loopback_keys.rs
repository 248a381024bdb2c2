//! Whose keys a loopback's tunnels have: those of two files, or a new pair for each.

use crate::cli::args::LoopbackArgs;
use crate::cli::exit::usage;
use crate::gateway::keys::{KeyError, Pair};
use rand_chacha::ChaCha8Rng;

/// Where both ends of a tunnel have their keys from.
pub struct Keys(Option<[Pair; 2]>);

impl Keys {
    /// Those that were asked for.
    ///
    /// # Errors
    /// A file that cannot be read, that others may read, that holds no key; one key for both ends.
    pub fn of(args: &LoopbackArgs) -> anyhow::Result<Self> {
        let (Some(near), Some(far)) = (&args.key, &args.peer) else {
            return Ok(Self(None));
        };
        let (near_pair, far_pair) = (Pair::read(near)?, Pair::read(far)?);
        if near_pair.public == far_pair.public {
            return Err(usage(format!(
                "--key {} and --peer {} hold one key: each end of a tunnel has its own; stp-audit keygen makes another",
                near.display(),
                far.display()
            )));
        }
        Ok(Self(Some([near_pair, far_pair])))
    }

    /// The near end's pair and the far end's, of another tunnel.
    ///
    /// # Errors
    /// None in practice.
    pub fn next(&self, secrets: &mut ChaCha8Rng) -> Result<[Pair; 2], KeyError> {
        match &self.0 {
            Some(pairs) => Ok(pairs.clone()),
            None => Ok([Pair::generate(secrets)?, Pair::generate(secrets)?]),
        }
    }
}
