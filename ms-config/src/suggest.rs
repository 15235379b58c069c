//! Did you mean.
//!
//! A misspelling is a few edits away from what was meant: at most a third of its letters, where swapped neighbours
//! are one edit and letter case is none.

/// Longer names are not compared: no key is that long, and the work grows with the product of the lengths.
const LONGEST: usize = 64;

/// The candidate that `name` is probably a misspelling of. Of equally near ones the first.
pub(crate) fn suggest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name = letters(name)?;
    let limit = (name.len() / 3).max(1);
    let mut best = None;
    let mut best_distance = limit + 1;
    for candidate in candidates {
        let Some(letters) = letters(candidate) else { continue };
        // At least one letter must be right: `a` is no misspelling of `b`.
        if letters.len().abs_diff(name.len()) >= best_distance || letters.len().max(name.len()) <= 1 {
            continue;
        }
        let distance = distance(&name, &letters);
        if distance < best_distance {
            best_distance = distance;
            best = Some(candidate);
        }
    }
    best
}

fn letters(name: &str) -> Option<Vec<char>> {
    (name.len() <= LONGEST).then(|| name.chars().flat_map(char::to_lowercase).collect())
}

/// Insertions, removals, replacements and swaps of neighbours between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["master", "slave", "filters", "failover", "master_on_write"];

    #[test]
    fn finds_what_is_near() {
        check("mastre", Some("master"));
        check("Slave", Some("slave"));
        check("filter", Some("filters"));
        check("fail_over", Some("failover"));
        check("masteronwrite", Some("master_on_write"));
    }

    #[test]
    fn does_not_guess_what_is_far() {
        check("hosts", None);
        check("", None);
        check("x", None);
        check(&"slave".repeat(1000), None);
    }

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(suggest(name, NAMES.iter().copied()), expected);
    }
}
