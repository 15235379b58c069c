//! Randomness as an argument.
//!
//! A decision must be reproducible from a log, so the generator is a value with a seed and the crate never asks the
//! system for one. This is splitmix64: eight bytes of state, every seed a good one, far better than spreading
//! statements needs. It is not for secrets.

/// A small seeded generator.
///
/// ```
/// let mut rng = ms_filters::Rng::from_seed(7);
/// assert_eq!(rng.next_u64(), ms_filters::Rng::from_seed(7).next_u64());
/// assert!(rng.below(3) < 3);
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The generator of a seed; equal seeds give equal sequences.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Rng { state: seed }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1, all equally likely within one in four billion; 0 for a bound of 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        let high = ((self.next_u64() >> 32) * u64::from(bound)) >> 32;
        // The product of two 32-bit numbers, shifted by 32, is less than the bound.
        u32::try_from(high).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_below_its_bound_and_reaches_every_number() {
        let mut rng = Rng::from_seed(1);
        let mut seen = [0_u32; 5];
        for _ in 0..5_000 {
            seen[rng.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|it| (850..1_150).contains(it)), "{seen:?}");
    }

    #[test]
    fn a_bound_of_zero_or_one_leaves_no_choice() {
        let mut rng = Rng::from_seed(1);
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
    }
}
