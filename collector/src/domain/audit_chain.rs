//! The audit log as a chain of hashes, one for each organization and one for the instance: [`Verifier`] reads it entry by
//! entry and names the first that is not as it was written.
//!
//! What a person could be known by (actor, subject, detail, origin) is under a salted commitment; the link covers the link
//! before it, the place in the chain, time, action and commitment. So the payload of an entry can be erased together with
//! its salt and the chain still holds, while nothing can be changed, left out or moved. A chain alone does not see that its
//! end was cut off, or that all of it was written anew: that is seen against [`Mark`]s that were kept elsewhere.

use aws_lc_rs::digest;

/// SHA-256.
pub type Hash = [u8; 32];

/// What the first link of a chain follows.
pub const GENESIS: Hash = [0; 32];

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// What was done.
    pub action: String,
    /// The rest, unless it was erased.
    pub payload: Payload,
    /// What the payload was committed to.
    pub commitment: Hash,
    /// What everything up to here was linked to.
    pub link: Hash,
}

/// What may be erased of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// All of it is there.
    Whole(Facts),
    /// Nothing of it is there, and no salt by which it could be guessed.
    Erased,
    /// Some of it is there: nobody who may erase does that.
    Torn,
}

/// Who did what to what, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// 32 random bytes.
    pub salt: Vec<u8>,
    /// Who.
    pub actor: String,
    /// To what.
    pub subject: String,
    /// Further facts, as the very text that was written.
    pub detail: String,
    /// From which address.
    pub origin: Option<String>,
}

/// A place of a chain and the link that must be found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The place.
    pub seq: i64,
    /// The link.
    pub link: Hash,
}

impl Mark {
    /// What is signed of a mark: `purpose` keeps marks of one kind from being shown as another's, `collector` and `chain`
    /// those of one place from being shown at another.
    pub fn signed_bytes(&self, purpose: &str, collector: [u8; 16], chain: [u8; 16], at: i64) -> Vec<u8> {
        let mut bytes = b"picket audit mark 1\0".to_vec();
        bytes.extend_from_slice(&length(purpose));
        bytes.extend_from_slice(purpose.as_bytes());
        bytes.extend_from_slice(&collector);
        bytes.extend_from_slice(&chain);
        bytes.extend_from_slice(&at.to_be_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.link);
        bytes
    }
}

/// The commitment to a payload.
pub fn commitment(facts: &Facts) -> Hash {
    let mut hash = begun(b"picket audit commitment 1\0");
    hash.update(&facts.salt);
    for field in [Some(&facts.actor), Some(&facts.subject), Some(&facts.detail), facts.origin.as_ref()] {
        add(&mut hash, field.map(String::as_str));
    }
    done(hash)
}

/// The link of an entry that follows `previous` in `chain` (the organization's id; all zeros for the instance).
pub fn link(previous: &Hash, chain: [u8; 16], entry: &Entry) -> Hash {
    let mut hash = begun(b"picket audit link 1\0");
    hash.update(previous);
    hash.update(&chain);
    hash.update(&entry.seq.to_be_bytes());
    hash.update(&entry.at.to_be_bytes());
    add(&mut hash, Some(&entry.action));
    hash.update(&entry.commitment);
    done(hash)
}

fn begun(label: &[u8]) -> digest::Context {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(label);
    hash
}

/// A field with its length in front; an absent one is not an empty one.
fn add(hash: &mut digest::Context, field: Option<&str>) {
    match field {
        None => hash.update(&[0]),
        Some(text) => {
            hash.update(&[1]);
            hash.update(&length(text));
            hash.update(text.as_bytes());
        }
    }
}

fn length(text: &str) -> [u8; 8] {
    u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes()
}

fn done(hash: digest::Context) -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    bytes
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something of the entry is not what was written, or it stands where another was.
    Changed,
    /// Entries are not there.
    Missing,
    /// The entry's number came before.
    Repeated,
    /// The entries fit each other, but not a mark that was kept elsewhere: all from some point on were written anew.
    Rewritten,
    /// The chain ends before a mark that was kept elsewhere.
    CutOff,
}

impl Fault {
    /// Its name, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::Rewritten => "rewritten",
            Self::CutOff => "cut_off",
        }
    }
}

/// The first place at which a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// What is wrong.
    pub fault: Fault,
    /// The first entry that is not as it was; for [`Fault::Rewritten`] the first that may not be.
    pub seq: i64,
    /// The last entry of which the same is known; it is this one itself unless several are missing or rewritten.
    pub through: i64,
}

/// What a chain that holds consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// How many entries.
    pub entries: u64,
    /// How many of them have no payload any more.
    pub erased: u64,
    /// How many marks were found in their places.
    pub marks: u64,
}

/// Verifies one chain, entry by entry, in the order of their numbers.
#[derive(Debug)]
pub struct Verifier {
    chain: [u8; 16],
    /// The last entry that holds, or what the chain begins after.
    last: Mark,
    /// The last place that a mark vouches for.
    vouched: i64,
    /// Marks that are yet to be found, in order.
    marks: std::iter::Peekable<std::vec::IntoIter<Mark>>,
    whole: Whole,
}

impl Verifier {
    /// Begins after `base` (where earlier entries were removed for their age), else at the first entry. `marks` may come in
    /// any order; of those before the base nothing can be said.
    ///
    /// # Errors
    /// When a mark at the base itself does not fit it.
    pub fn new(chain: [u8; 16], base: Option<Mark>, mut marks: Vec<Mark>) -> Result<Self, Break> {
        let last = base.unwrap_or(Mark { seq: 0, link: GENESIS });
        marks.retain(|mark| mark.seq >= last.seq.max(1));
        marks.sort_by_key(|mark| mark.seq);
        let marks = marks.into_iter().peekable();
        let mut verifier = Self { chain, last, vouched: last.seq, marks, whole: Whole::default() };
        verifier.find_marks()?;
        Ok(verifier)
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When it, or what should be before it, is not as it was written.
    pub fn take(&mut self, entry: &Entry) -> Result<(), Break> {
        let expected = self.last.seq.saturating_add(1);
        let broken = |fault, through| Err(Break { fault, seq: expected, through });
        if entry.seq > expected {
            return broken(Fault::Missing, entry.seq - 1);
        }
        if entry.seq < expected {
            return Err(Break { fault: Fault::Repeated, seq: entry.seq, through: entry.seq });
        }
        match &entry.payload {
            Payload::Whole(facts) if facts.salt.len() == 32 && commitment(facts) == entry.commitment => {}
            Payload::Erased => self.whole.erased += 1,
            Payload::Whole(_) | Payload::Torn => return broken(Fault::Changed, expected),
        }
        if link(&self.last.link, self.chain, entry) != entry.link {
            return broken(Fault::Changed, expected);
        }
        self.last = Mark { seq: entry.seq, link: entry.link };
        self.whole.entries += 1;
        self.find_marks()
    }

    /// Says what the chain consists of, after its last entry.
    ///
    /// # Errors
    /// When it should be longer.
    pub fn finish(mut self) -> Result<Whole, Break> {
        match self.marks.next_back() {
            Some(mark) => Err(Break { fault: Fault::CutOff, seq: self.last.seq + 1, through: mark.seq }),
            None => Ok(self.whole),
        }
    }

    fn find_marks(&mut self) -> Result<(), Break> {
        let here = self.last;
        while let Some(mark) = self.marks.next_if(|mark| mark.seq == here.seq) {
            if mark.link != here.link {
                let first = self.vouched.saturating_add(1).min(here.seq);
                return Err(Break { fault: Fault::Rewritten, seq: first, through: here.seq });
            }
            self.vouched = here.seq;
            self.whole.marks += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: [u8; 16] = [7; 16];

    fn entry(seq: i64, rng: &mut fastrand::Rng) -> Entry {
        let facts = Facts {
            salt: std::iter::repeat_with(|| rng.u8(..)).take(32).collect(),
            actor: format!("user:{}", rng.u8(..4)),
            subject: format!("s{}", rng.u8(..4)),
            detail: format!("{{\"n\":{}}}", rng.u8(..4)),
            origin: rng.bool().then(|| "192.0.2.1".to_owned()),
        };
        let commitment = commitment(&facts);
        let at = 1_000_000 * seq;
        let action = ["monitor.edit", "channel.add"][rng.usize(..2)].to_owned();
        Entry { seq, at, action, payload: Payload::Whole(facts), commitment, link: GENESIS }
    }

    /// Links entries from `from` on, each to the one before it; the first follows `previous`.
    fn relink(entries: &mut [Entry], from: usize, previous: Hash) {
        for index in from..entries.len() {
            let before = index.checked_sub(1).map_or(previous, |before| entries[before].link);
            entries[index].link = link(&before, CHAIN, &entries[index]);
        }
    }

    fn chain(length: i64, rng: &mut fastrand::Rng) -> Vec<Entry> {
        let mut entries: Vec<_> = (1..=length).map(|seq| entry(seq, rng)).collect();
        relink(&mut entries, 0, GENESIS);
        entries
    }

    fn mark(entry: &Entry) -> Mark {
        Mark { seq: entry.seq, link: entry.link }
    }

    fn verify(base: Option<Mark>, marks: &[Mark], entries: &[Entry]) -> Result<Whole, Break> {
        let mut verifier = Verifier::new(CHAIN, base, marks.to_vec())?;
        entries.iter().try_for_each(|entry| verifier.take(entry))?;
        verifier.finish()
    }

    fn erase(entry: &mut Entry) {
        entry.payload = Payload::Erased;
    }

    fn facts(entry: &mut Entry) -> &mut Facts {
        match &mut entry.payload {
            Payload::Whole(facts) => facts,
            _ => unreachable!("it was not erased"),
        }
    }

    /// Changes one field of an entry to something else.
    fn edit(entry: &mut Entry, field: usize, rng: &mut fastrand::Rng) {
        let bit = 1 << rng.u8(..8);
        match field {
            0 => entry.at += 1 + rng.i64(0..1000),
            1 => entry.action.push('x'),
            2 => facts(entry).salt[rng.usize(..32)] ^= bit,
            3 => facts(entry).actor.push('x'),
            4 => facts(entry).subject = "other".to_owned(),
            5 => facts(entry).detail.push(' '),
            6 => match &mut facts(entry).origin {
                Some(origin) if rng.bool() => origin.push('2'),
                origin @ Some(_) => *origin = None,
                origin @ None => *origin = Some(String::new()),
            },
            7 => entry.commitment[rng.usize(..32)] ^= bit,
            8 => entry.link[rng.usize(..32)] ^= bit,
            9 => entry.payload = Payload::Torn,
            // What was erased together with its commitment was not erased, but replaced.
            _ => {
                erase(entry);
                entry.commitment[0] ^= bit;
            }
        }
    }

    const FIELDS: usize = 11;

    #[test]
    fn a_chain_as_it_was_written_holds_also_where_payloads_were_erased_or_a_prefix_was_removed() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut entries = chain(30, &mut rng);
        let marks = [mark(&entries[4]), mark(&entries[29]), mark(&entries[4])];
        assert_eq!(verify(None, &marks, &entries), Ok(Whole { entries: 30, erased: 0, marks: 3 }));
        [3, 4, 17].into_iter().for_each(|index| erase(&mut entries[index]));
        assert_eq!(verify(None, &marks, &entries), Ok(Whole { entries: 30, erased: 3, marks: 3 }));
        let (base, rest) = (mark(&entries[9]), &entries[10..]);
        assert_eq!(verify(Some(base), &marks, rest), Ok(Whole { entries: 20, erased: 1, marks: 1 }));
        assert_eq!(verify(None, &[], &[]), Ok(Whole::default()));
    }

    #[test]
    fn a_base_that_is_none_and_a_mark_that_never_was_are_found() {
        let mut rng = fastrand::Rng::with_seed(2);
        let entries = chain(10, &mut rng);
        let wrong = Mark { seq: 4, link: [9; 32] };
        let broken = |fault, seq, through| Err(Break { fault, seq, through });
        assert_eq!(verify(Some(wrong), &[], &entries[4..]), broken(Fault::Changed, 5, 5));
        assert_eq!(verify(Some(mark(&entries[3])), &[wrong], &entries[4..]), broken(Fault::Rewritten, 4, 4));
        assert_eq!(verify(None, &[], &entries[4..]), broken(Fault::Missing, 1, 4));
        assert_eq!(verify(None, &[mark(&entries[9])], &[]), broken(Fault::CutOff, 1, 10));
        assert_eq!(verify(None, &[mark(&entries[1]), wrong], &entries), broken(Fault::Rewritten, 3, 4));
    }

    #[test]
    fn an_entry_of_another_chain_does_not_fit() {
        let mut rng = fastrand::Rng::with_seed(3);
        let entries = chain(3, &mut rng);
        let mut other = Verifier::new([8; 16], None, Vec::new()).unwrap();
        assert_eq!(other.take(&entries[0]), Err(Break { fault: Fault::Changed, seq: 1, through: 1 }));
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let facts = |actor: &str, subject: &str, origin: Option<&str>| Facts {
            salt: vec![1; 32],
            actor: actor.to_owned(),
            subject: subject.to_owned(),
            detail: "{}".to_owned(),
            origin: origin.map(str::to_owned),
        };
        assert_ne!(commitment(&facts("ab", "c", None)), commitment(&facts("a", "bc", None)));
        assert_ne!(commitment(&facts("a", "b", None)), commitment(&facts("a", "b", Some(""))));
    }

    /// One way to tamper with a chain, and where it must be found.
    struct Tampered {
        what: &'static str,
        entries: Vec<Entry>,
        fault: Fault,
        /// The first entry that is not as it was.
        at: i64,
    }

    fn number(index: usize) -> i64 {
        i64::try_from(index).unwrap() + 1
    }

    fn tamper(entries: &[Entry], rng: &mut fastrand::Rng) -> Tampered {
        let mut changed = entries.to_vec();
        let index = rng.usize(..entries.len());
        let later = index + 1 + rng.usize(..entries.len());
        let swaps = later < entries.len();
        let (what, fault, at) = match rng.usize(..8) {
            0 | 1 => {
                edit(&mut changed[index], rng.usize(..FIELDS), rng);
                ("edited", Fault::Changed, number(index))
            }
            // A gap, unless it is at the end.
            2 => {
                let count = 1 + rng.usize(..(entries.len() - index).min(5));
                changed.drain(index..index + count);
                let fault = if index == changed.len() { Fault::CutOff } else { Fault::Missing };
                ("deleted", fault, number(index))
            }
            // Everything but the number changes places.
            3 if swaps => {
                changed.swap(index, later);
                (changed[index].seq, changed[later].seq) = (number(index), number(later));
                ("swapped", Fault::Changed, number(index))
            }
            // Only what may be erased changes places.
            4 if swaps => {
                let (one, other) = (changed[index].clone(), changed[later].clone());
                (changed[index].payload, changed[index].commitment) = (other.payload, other.commitment);
                (changed[later].payload, changed[later].commitment) = (one.payload, one.commitment);
                ("payloads swapped", Fault::Changed, number(index))
            }
            5 => {
                changed.truncate(index);
                ("truncated", Fault::CutOff, number(index))
            }
            // One is left out, and those after it are numbered and linked anew.
            6 if index + 1 < entries.len() => {
                changed.remove(index);
                (index..changed.len()).for_each(|at| changed[at].seq = number(at));
                relink(&mut changed, index, GENESIS);
                ("closed up", Fault::Rewritten, number(index))
            }
            // One is changed as its author would have written it, and all after it are linked anew.
            _ => {
                let field = rng.usize(..7);
                edit(&mut changed[index], field, rng);
                changed[index].commitment = commitment(facts(&mut changed[index]));
                relink(&mut changed, index, GENESIS);
                ("rewritten", Fault::Rewritten, number(index))
            }
        };
        Tampered { what, entries: changed, fault, at }
    }

    #[test]
    fn of_10_000_random_edits_deletions_swaps_and_truncations_every_one_is_found_and_located() {
        let mut seen = std::collections::BTreeMap::new();
        for seed in 0..10_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let length = 1 + rng.i64(0..40);
            let entries = chain(length, &mut rng);
            // Now and then a head was kept elsewhere, the last one always.
            let mut marks: Vec<Mark> = entries.iter().filter(|_| rng.u8(..4) == 0).map(mark).collect();
            marks.push(mark(&entries[entries.len() - 1]));
            assert!(verify(None, &marks, &entries).is_ok());
            let Tampered { what, entries, fault, at } = tamper(&entries, &mut rng);
            *seen.entry(what).or_insert(0) += 1;
            let found = verify(None, &marks, &entries).unwrap_err();
            let told = format!("seed {seed}: {what} at {at}, found {found:?}");
            match fault {
                // The marks on both sides say between which entries it is, and no mark lies between them.
                Fault::Rewritten => {
                    // What was closed up is one short: then its end is missed, unless a mark came before.
                    let short = what == "closed up" && found.fault == Fault::CutOff;
                    assert!(short || found.fault == Fault::Rewritten, "{told}");
                    let first_mark = marks.iter().map(|mark| mark.seq).filter(|seq| *seq >= at).min().unwrap();
                    let last_good = marks.iter().map(|mark| mark.seq).filter(|seq| *seq < at).max().unwrap_or(0);
                    if short {
                        assert_eq!((found.seq, first_mark, found.through), (length, length, length), "{told}");
                    } else {
                        assert_eq!((found.seq, found.through), (last_good + 1, first_mark), "{told}");
                    }
                }
                _ => assert_eq!((found.fault, found.seq), (fault, at), "{told}"),
            }
        }
        assert_eq!(seen.len(), 7, "{seen:?}");
        assert!(seen.values().all(|count| *count > 400), "{seen:?}");
    }
}
